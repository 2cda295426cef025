/*
 * JSON as values of C++.
 *
 * Enters: text from anywhere, in the worst case hostile, and values of the component. Leaves: a `mesh::Json`, or a
 * refusal that says where the text is wrong; and text. Guarantees: reads no byte outside its text; nests at most
 * `Json::DEEPEST` deep, so that the stack of a lane is not the caller's to spend; keeps members in their order, and of equal
 * names the last; text that it writes is JSON in UTF-8, whatever bytes the strings hold. Whole numbers that fit 64 bits stay
 * exact.
 */
#ifndef MESH_JSON_HPP
#define MESH_JSON_HPP

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace mesh {

/* Text that is no JSON, and where. */
class JsonError : public std::runtime_error {
  public:
    JsonError(const std::string &what, std::size_t offset)
        : std::runtime_error(what + " at byte " + std::to_string(offset)), offset_(offset) {}

    /* The first byte that does not fit. */
    std::size_t offset() const noexcept { return offset_; }

  private:
    std::size_t offset_;
};

/* Any JSON value. A copy is a copy of the whole value. */
class Json {
  public:
    using Array = std::vector<Json>;
    using Member = std::pair<std::string, Json>;
    using Object = std::vector<Member>;

    /* Values that nest deeper are refused when they are read. */
    static constexpr std::size_t DEEPEST = 128;

    Json() noexcept : value_(nullptr) {}
    Json(std::nullptr_t) noexcept : value_(nullptr) {}
    Json(const char *text) : value_(std::string(text)) {}
    Json(std::string text) : value_(std::move(text)) {}
    Json(std::string_view text) : value_(std::string(text)) {}
    Json(Array array) : value_(std::move(array)) {}
    template <class T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0> Json(T number) {
        if constexpr (std::is_same_v<T, bool>) {
            value_ = number;
        } else if constexpr (std::is_floating_point_v<T>) {
            value_ = static_cast<double>(number);
        } else if (std::is_signed_v<T> || static_cast<std::uint64_t>(number) <= static_cast<std::uint64_t>(INT64_MAX)) {
            value_ = static_cast<std::int64_t>(number);
        } else {
            value_ = static_cast<std::uint64_t>(number); /* Each number has one form, so that equal ones are equal. */
        }
    }
    /* A pointer would count as `true`. */
    template <class T, std::enable_if_t<!std::is_same_v<std::remove_cv_t<T>, char>, int> = 0> Json(T *) = delete;

    /* An array of these values, and an object of these members. */
    static Json array(std::initializer_list<Json> values = {}) { return Json(Array(values)); }
    static Json object(std::initializer_list<Member> members = {}) {
        Json made = of_members(Object());
        for (const Member &member : members) {
            made.set(member.first, member.second);
        }
        return made;
    }

    /* An object of members whose names differ. */
    static Json of_members(Object members) {
        Json made;
        made.value_ = std::move(members);
        return made;
    }

    /* Reads one value, and nothing behind it. Throws JsonError. */
    static Json parse(std::string_view text);

    /* The value as text, without spaces. Numbers that JSON lacks becomes null, and bytes that are no UTF-8 the sign for that. */
    std::string text() const {
        std::string out;
        write(out);
        return out;
    }
    void write(std::string &out) const;
    static void write_string(std::string &out, std::string_view text);

    bool is_null() const noexcept { return std::holds_alternative<std::nullptr_t>(value_); }
    bool is_bool() const noexcept { return std::holds_alternative<bool>(value_); }
    bool is_string() const noexcept { return std::holds_alternative<std::string>(value_); }
    bool is_array() const noexcept { return std::holds_alternative<Array>(value_); }
    bool is_object() const noexcept { return std::holds_alternative<Object>(value_); }
    bool is_number() const noexcept {
        return std::holds_alternative<std::int64_t>(value_) || std::holds_alternative<std::uint64_t>(value_) ||
               std::holds_alternative<double>(value_);
    }

    /* Its kind, for people: "a string". */
    const char *kind() const noexcept {
        return is_null() ? "null" : is_bool() ? "a boolean" : is_string() ? "a string" : is_array() ? "an array"
             : is_object() ? "an object" : "a number";
    }

    /* The value inside; null where it is something else. */
    const bool *if_bool() const noexcept { return std::get_if<bool>(&value_); }
    const std::string *if_string() const noexcept { return std::get_if<std::string>(&value_); }
    const Array *if_array() const noexcept { return std::get_if<Array>(&value_); }
    Array *if_array() noexcept { return std::get_if<Array>(&value_); }
    const Object *if_object() const noexcept { return std::get_if<Object>(&value_); }

    /* As a number of type T. Returns whether it is one, exactly: 1.5 is no integer, -1 no unsigned one, 300 no byte. */
    template <class T> bool number(T &out) const noexcept;

    /* A member of an object, an element of an array; the null value where there is none. */
    const Json &operator[](std::string_view name) const noexcept {
        const Json *found = find(name);
        return found == nullptr ? null_value() : *found;
    }
    const Json &operator[](const char *name) const noexcept { return (*this)[std::string_view(name)]; }
    const Json &operator[](std::size_t index) const noexcept {
        const Array *array = if_array();
        return array != nullptr && index < array->size() ? (*array)[index] : null_value();
    }
    const Json &operator[](int index) const noexcept { return (*this)[static_cast<std::size_t>(index)]; }

    /* A member; null when it is no object or has no such member. */
    const Json *find(std::string_view name) const noexcept {
        if (const Object *object = if_object()) {
            for (const Member &member : *object) {
                if (member.first == name) {
                    return &member.second;
                }
            }
        }
        return nullptr;
    }

    /* How many elements or members it has. */
    std::size_t size() const noexcept {
        const Array *array = if_array();
        const Object *object = if_object();
        return array != nullptr ? array->size() : object != nullptr ? object->size() : 0;
    }

    /* Adds a member, or replaces it. Anything else becomes an object first. */
    Json &set(std::string name, Json value) {
        if (!is_object()) {
            value_ = Object();
        }
        Object &object = std::get<Object>(value_);
        for (Member &member : object) {
            if (member.first == name) {
                member.second = std::move(value);
                return *this;
            }
        }
        object.emplace_back(std::move(name), std::move(value));
        return *this;
    }

    /* Adds an element. Anything else becomes an array first. */
    Json &push(Json value) {
        if (!is_array()) {
            value_ = Array();
        }
        std::get<Array>(value_).push_back(std::move(value));
        return *this;
    }

    friend bool operator==(const Json &left, const Json &right) { return left.value_ == right.value_; }
    friend bool operator!=(const Json &left, const Json &right) { return !(left == right); }

  private:
    std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string, Array, Object> value_;

    /* Made at its first use, freed when the library is closed. */
    static const Json &null_value() noexcept {
        static const Json null;
        return null;
    }
    static void write_double(std::string &out, double number);
};

/* Reads JSON text. `at_` never passes its end. */
class JsonReader {
  public:
    explicit JsonReader(std::string_view text) : text_(text) {}

    Json whole() {
        Json value = read(0);
        skip_space();
        if (at_ != text_.size()) {
            refuse("something stands behind the value");
        }
        return value;
    }

  private:
    std::string_view text_;
    std::size_t at_ = 0;

    [[noreturn]] void refuse(const char *what) const { throw JsonError(what, at_); }
    bool is_next(char byte) const noexcept { return at_ < text_.size() && text_[at_] == byte; }
    bool skip(char byte) noexcept {
        if (!is_next(byte)) {
            return false;
        }
        at_++;
        return true;
    }
    void skip_space() noexcept {
        while (is_next(' ') || is_next('\t') || is_next('\n') || is_next('\r')) {
            at_++;
        }
    }
    bool skip_word(std::string_view word) noexcept {
        if (text_.substr(at_, word.size()) != word) {
            return false;
        }
        at_ += word.size();
        return true;
    }

    Json read(std::size_t depth) {
        skip_space();
        if (is_next('{') || is_next('[')) {
            if (depth == Json::DEEPEST) {
                refuse("it nests too deep");
            }
            return is_next('{') ? read_object(depth + 1) : read_array(depth + 1);
        }
        if (is_next('"')) {
            return Json(read_string());
        }
        if (skip_word("true")) {
            return Json(true);
        }
        if (skip_word("false")) {
            return Json(false);
        }
        if (skip_word("null")) {
            return Json();
        }
        return read_number();
    }

    Json read_array(std::size_t depth) {
        Json made = Json::array();
        at_++;
        skip_space();
        if (skip(']')) {
            return made;
        }
        do {
            made.push(read(depth));
            skip_space();
        } while (skip(','));
        if (!skip(']')) {
            refuse("an array is not closed");
        }
        return made;
    }

    Json read_object(std::size_t depth) {
        Json::Object members;
        at_++;
        skip_space();
        if (!skip('}')) {
            do {
                skip_space();
                std::string name = read_string();
                skip_space();
                if (!skip(':')) {
                    refuse("a colon is missing");
                }
                members.emplace_back(std::move(name), read(depth));
                skip_space();
            } while (skip(','));
            if (!skip('}')) {
                refuse("an object is not closed");
            }
        }
        return last_of_equal_names(std::move(members));
    }

    /* Objects of thousands of members must not take the square of that. */
    static Json last_of_equal_names(Json::Object members);

    std::string read_string() {
        if (!skip('"')) {
            refuse("a string is missing");
        }
        std::string out;
        for (;;) {
            std::size_t start = at_;
            while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
                   static_cast<unsigned char>(text_[at_]) >= 0x20) {
                at_++;
            }
            out.append(text_.substr(start, at_ - start));
            if (skip('"')) {
                return out;
            }
            if (!skip('\\')) {
                refuse(at_ < text_.size() ? "a control character stands in a string" : "a string is not closed");
            }
            read_escape(out);
        }
    }

    void read_escape(std::string &out) {
        static constexpr std::string_view NAMES = "\"\\/bfnrt", MEANT = "\"\\/\b\f\n\r\t";
        if (skip('u')) {
            append_utf8(out, read_code_point());
            return;
        }
        std::size_t found = at_ < text_.size() ? NAMES.find(text_[at_]) : std::string_view::npos;
        if (found == std::string_view::npos) {
            refuse("an escape is unknown");
        }
        out.push_back(MEANT[found]);
        at_++;
    }

    /* Half a pair of surrogates becomes the sign for what cannot be read. */
    std::uint32_t read_code_point() {
        static constexpr std::uint32_t UNREADABLE = 0xFFFD;
        std::uint32_t first = read_four_digits();
        if (first < 0xD800 || first > 0xDFFF) {
            return first;
        }
        if (first > 0xDBFF || text_.substr(at_, 2) != "\\u") {
            return UNREADABLE;
        }
        std::size_t before = at_;
        at_ += 2;
        std::uint32_t second = read_four_digits();
        if (second < 0xDC00 || second > 0xDFFF) {
            at_ = before;
            return UNREADABLE;
        }
        return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    }

    std::uint32_t read_four_digits() {
        std::uint32_t value = 0;
        for (int digit = 0; digit < 4; digit++) {
            char byte = at_ < text_.size() ? text_[at_] : '\0';
            bool is_decimal = byte >= '0' && byte <= '9';
            char lower = static_cast<char>(byte | 0x20);
            if (!is_decimal && (lower < 'a' || lower > 'f')) {
                refuse("four hexadecimal digits are missing");
            }
            value = value * 16 + static_cast<std::uint32_t>(is_decimal ? byte - '0' : lower - 'a' + 10);
            at_++;
        }
        return value;
    }

    static void append_utf8(std::string &out, std::uint32_t point) {
        auto byte = [&out](std::uint32_t value) { out.push_back(static_cast<char>(value)); };
        if (point < 0x80) {
            byte(point);
        } else if (point < 0x800) {
            byte(0xC0 | (point >> 6));
            byte(0x80 | (point & 0x3F));
        } else if (point < 0x10000) {
            byte(0xE0 | (point >> 12));
            byte(0x80 | ((point >> 6) & 0x3F));
            byte(0x80 | (point & 0x3F));
        } else {
            byte(0xF0 | (point >> 18));
            byte(0x80 | ((point >> 12) & 0x3F));
            byte(0x80 | ((point >> 6) & 0x3F));
            byte(0x80 | (point & 0x3F));
        }
    }

    void skip_digits() {
        std::size_t start = at_;
        while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
            at_++;
        }
        if (at_ == start) {
            refuse(start == text_.size() ? "the text ends too early" : "this is no value");
        }
    }

    Json read_number();
};

} // namespace mesh

#include "json_text.hpp"

#endif
