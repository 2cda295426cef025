/*
 * Arguments and results: between JSON and the types of C++.
 *
 * Enters: values in JSON, and values of the component. Leaves: the other of the two, or a refusal that says what was
 * expected. Guarantees: a number that does not fit its type exactly is refused, never cut. For types of your own write beside
 * them, in their namespace:
 *
 *     void from_json(const mesh::Json &json, Order &order);   // throws mesh::Mismatch or mesh::Error
 *     mesh::Json to_json(const Order &order);
 */
#ifndef MESH_CONVERT_HPP
#define MESH_CONVERT_HPP

#include "error.hpp"

#include <map>
#include <optional>
#include <tuple>

namespace mesh {

/* A value of another kind than its type takes. */
class Mismatch : public std::runtime_error {
  public:
    explicit Mismatch(const std::string &expected, const Json &found)
        : std::runtime_error("expected " + expected + ", found " + shown(found)) {}

  private:
    static std::string shown(const Json &found) {
        return found.is_number() || found.is_bool() ? std::string(found.kind()) + " `" + found.text() + "`" : found.kind();
    }
};

/* How a type is read from JSON and written as JSON. */
template <class T, class = void> struct Convert {
    static T read(const Json &json) {
        T value{};
        from_json(json, value);
        return value;
    }
    static Json write(const T &value) { return to_json(value); }
};

template <> struct Convert<Json> {
    static Json read(const Json &json) { return json; }
    static Json write(Json value) { return value; }
};

template <> struct Convert<bool> {
    static bool read(const Json &json) {
        if (const bool *value = json.if_bool()) {
            return *value;
        }
        throw Mismatch("a boolean", json);
    }
    static Json write(bool value) { return value; }
};

template <class T> struct Convert<T, std::enable_if_t<std::is_arithmetic_v<T> && !std::is_same_v<T, bool>>> {
    static T read(const Json &json) {
        T value{};
        if (!json.is_number()) {
            throw Mismatch("a number", json);
        }
        if (!json.number(value)) {
            const char *sign = std::is_signed_v<T> ? "" : "of at least 0 ";
            throw Mismatch(std::string("a whole number ") + sign + "in " + std::to_string(8 * sizeof(T)) + " bits", json);
        }
        return value;
    }
    static Json write(T value) { return value; }
};

template <> struct Convert<std::string> {
    static std::string read(const Json &json) {
        if (const std::string *value = json.if_string()) {
            return *value;
        }
        throw Mismatch("a string", json);
    }
    static Json write(std::string value) { return Json(std::move(value)); }
};

template <> struct Convert<std::string_view> {
    static Json write(std::string_view value) { return Json(value); }
};

template <> struct Convert<const char *> {
    static Json write(const char *value) { return value == nullptr ? Json() : Json(value); }
};

template <class T> struct Convert<std::optional<T>> {
    static std::optional<T> read(const Json &json) {
        return json.is_null() ? std::optional<T>() : std::optional<T>(Convert<T>::read(json));
    }
    static Json write(const std::optional<T> &value) { return value.has_value() ? Convert<T>::write(*value) : Json(); }
};

template <class T> struct Convert<std::vector<T>> {
    static std::vector<T> read(const Json &json) {
        const Json::Array *array = json.if_array();
        if (array == nullptr) {
            throw Mismatch("an array", json);
        }
        std::vector<T> values;
        values.reserve(array->size());
        for (const Json &element : *array) {
            values.push_back(Convert<T>::read(element));
        }
        return values;
    }
    static Json write(const std::vector<T> &values) {
        Json json = Json::array();
        for (const auto &value : values) {
            json.push(Convert<T>::write(value));
        }
        return json;
    }
};

template <class T> struct Convert<std::map<std::string, T>> {
    static std::map<std::string, T> read(const Json &json) {
        const Json::Object *object = json.if_object();
        if (object == nullptr) {
            throw Mismatch("an object", json);
        }
        std::map<std::string, T> values;
        for (const Json::Member &member : *object) {
            values.insert_or_assign(member.first, Convert<T>::read(member.second));
        }
        return values;
    }
    static Json write(const std::map<std::string, T> &values) {
        Json::Object members;
        for (const auto &[name, value] : values) {
            members.emplace_back(name, Convert<T>::write(value));
        }
        return Json::of_members(std::move(members));
    }
};

/* A value in JSON. */
template <class T> Json json(T &&value) {
    return Convert<std::decay_t<T>>::write(std::forward<T>(value));
}

/* JSON as a value; throws Mismatch. */
template <class T> T value(const Json &json) {
    return Convert<T>::read(json);
}

/* Several results of one call, and none. */
struct Results {
    Json array = Json::array();
};
template <class... Values> Results results(Values &&...values) {
    Results made;
    (made.array.push(json(std::forward<Values>(values))), ...);
    return made;
}

/* The arguments of a call of another component. */
template <class... Values> Json arguments(Values &&...values) {
    return results(std::forward<Values>(values)...).array;
}

} // namespace mesh

#endif
