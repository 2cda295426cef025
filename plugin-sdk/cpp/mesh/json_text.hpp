/*
 * How `mesh::Json` reads and writes numbers, strings and whole texts: the longer half of json.hpp.
 *
 * That header says what enters and leaves. Guarantees: a number that is written and read again is the same one, in every locale.
 */
#ifndef MESH_JSON_TEXT_HPP
#define MESH_JSON_TEXT_HPP

#include "json.hpp"

#include <algorithm>

namespace mesh {

inline Json Json::parse(std::string_view text) {
    return JsonReader(text).whole();
}

template <class T> bool Json::number(T &out) const noexcept {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>, "a number");
    auto fits = [&out](auto value) {
        using Value = decltype(value);
        if constexpr (std::is_floating_point_v<T>) {
            out = static_cast<T>(value);
            return true;
        } else if constexpr (std::is_floating_point_v<Value>) {
            /* The bounds are powers of two, and so exact: below 2^63 or 2^64, not from there on. */
            const double end = std::ldexp(1.0, std::is_signed_v<T> ? 63 : 64);
            if (!(value >= (std::is_signed_v<T> ? -end : 0.0) && value < end) || std::floor(value) != value) {
                return false;
            }
            using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
            const Wide whole = static_cast<Wide>(value);
            out = static_cast<T>(whole);
            return static_cast<Wide>(out) == whole;
        } else {
            out = static_cast<T>(value);
            return static_cast<Value>(out) == value && (out < T()) == (value < Value());
        }
    };
    if (const std::int64_t *whole = std::get_if<std::int64_t>(&value_)) {
        return fits(*whole);
    }
    if (const std::uint64_t *whole = std::get_if<std::uint64_t>(&value_)) {
        return fits(*whole);
    }
    const double *number = std::get_if<double>(&value_);
    return number != nullptr && fits(*number);
}

inline Json JsonReader::last_of_equal_names(Json::Object members) {
    static constexpr std::size_t FEW = 16;
    if (members.size() <= FEW) {
        Json made = Json::object();
        for (Json::Member &member : members) {
            made.set(std::move(member.first), std::move(member.second));
        }
        return made;
    }
    /* Sorted by name, and of equal names the last one first. */
    std::vector<std::size_t> order(members.size());
    for (std::size_t index = 0; index < order.size(); index++) {
        order[index] = index;
    }
    std::sort(order.begin(), order.end(), [&members](std::size_t left, std::size_t right) {
        int compared = members[left].first.compare(members[right].first);
        return compared != 0 ? compared < 0 : left > right;
    });
    std::vector<bool> is_replaced(members.size(), false);
    for (std::size_t index = 1; index < order.size(); index++) {
        is_replaced[order[index]] = members[order[index]].first == members[order[index - 1]].first;
    }
    Json::Object kept;
    for (std::size_t index = 0; index < members.size(); index++) {
        if (!is_replaced[index]) {
            kept.push_back(std::move(members[index]));
        }
    }
    return Json::of_members(std::move(kept));
}

inline Json JsonReader::read_number() {
    const std::size_t start = at_;
    const bool is_negative = skip('-');
    if (!skip('0')) {
        skip_digits();
    }
    bool is_whole = true;
    if (skip('.')) {
        is_whole = false;
        skip_digits();
    }
    if (skip('e') || skip('E')) {
        is_whole = false;
        if (!skip('+')) {
            skip('-');
        }
        skip_digits();
    }
    const std::string_view text = text_.substr(start, at_ - start);
    const char *first = text.data(), *last = text.data() + text.size();
    /* Minus zero is no whole number. */
    if (is_whole && text != "-0") {
        if (is_negative) {
            std::int64_t whole = 0;
            if (std::from_chars(first, last, whole).ec == std::errc()) {
                return Json(whole);
            }
        } else {
            std::uint64_t whole = 0;
            if (std::from_chars(first, last, whole).ec == std::errc()) {
                return Json(whole);
            }
        }
    }
#if defined(__cpp_lib_to_chars)
    double number = 0;
    if (std::from_chars(first, last, number).ec == std::errc()) {
        return Json(number);
    }
    /* Too large or too small for a double. The C library knows which. */
#endif
    std::string copy(text);
    double value = std::strtod(copy.c_str(), nullptr);
    if (copy.find('.') != std::string::npos) {
        /* A program may have chosen a locale whose numbers have a comma. */
        char point[8];
        std::snprintf(point, sizeof point, "%.1f", 0.5);
        copy[copy.find('.')] = point[1];
        value = std::strtod(copy.c_str(), nullptr);
    }
    if (!std::isfinite(value)) {
        at_ = start;
        refuse("a number is too large");
    }
    return Json(value);
}

inline void Json::write_double(std::string &out, double number) {
    if (!std::isfinite(number)) {
        out += "null";
        return;
    }
    char digits[32];
#if defined(__cpp_lib_to_chars)
    const std::to_chars_result end = std::to_chars(digits, digits + sizeof digits, number);
    out.append(digits, end.ptr);
#else
    const int length = std::snprintf(digits, sizeof digits, "%.17g", number);
    for (int index = 0; index < length; index++) {
        const char byte = digits[index];
        const bool is_of_number = (byte >= '0' && byte <= '9') || byte == '-' || byte == '+' || byte == 'e';
        out.push_back(is_of_number ? byte : '.');
    }
#endif
}

/* How many bytes from `at` on are one character of UTF-8; 0 when they are none. */
inline std::size_t utf8_length(std::string_view text, std::size_t at) noexcept {
    auto byte = [text](std::size_t index) {
        return index < text.size() ? static_cast<unsigned char>(text[index]) : static_cast<unsigned char>(0);
    };
    auto follows = [&byte](std::size_t index) { return (byte(index) & 0xC0) == 0x80; };
    const unsigned char first = byte(at), second = byte(at + 1);
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return follows(at + 1) ? 2 : 0;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        const bool is_short = first == 0xE0 && second < 0xA0, is_surrogate = first == 0xED && second > 0x9F;
        return follows(at + 1) && follows(at + 2) && !is_short && !is_surrogate ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const bool is_short = first == 0xF0 && second < 0x90, is_beyond = first == 0xF4 && second > 0x8F;
        return follows(at + 1) && follows(at + 2) && follows(at + 3) && !is_short && !is_beyond ? 4 : 0;
    }
    return 0;
}

inline void Json::write_string(std::string &out, std::string_view text) {
    static constexpr char HEXADECIMAL[] = "0123456789abcdef";
    static constexpr std::string_view ESCAPED = "\"\\\b\f\n\r\t", NAMES = "\"\\bfnrt";
    out.push_back('"');
    std::size_t at = 0;
    while (at < text.size()) {
        const unsigned char byte = static_cast<unsigned char>(text[at]);
        const std::size_t length = utf8_length(text, at);
        const std::size_t escaped = ESCAPED.find(text[at]);
        if (escaped != std::string_view::npos) {
            out.push_back('\\');
            out.push_back(NAMES[escaped]);
        } else if (byte < 0x20) {
            out += "\\u00";
            out.push_back(HEXADECIMAL[byte >> 4]);
            out.push_back(HEXADECIMAL[byte & 15]);
        } else if (length == 0) {
            out += "\xEF\xBF\xBD";
        } else {
            out.append(text.substr(at, length));
        }
        at += length == 0 ? 1 : length;
    }
    out.push_back('"');
}

inline void Json::write(std::string &out) const {
    if (is_null()) {
        out += "null";
    } else if (const bool *truth = if_bool()) {
        out += *truth ? "true" : "false";
    } else if (const std::string *text = if_string()) {
        write_string(out, *text);
    } else if (const std::int64_t *whole = std::get_if<std::int64_t>(&value_)) {
        out += std::to_string(*whole);
    } else if (const std::uint64_t *large = std::get_if<std::uint64_t>(&value_)) {
        out += std::to_string(*large);
    } else if (const double *number = std::get_if<double>(&value_)) {
        write_double(out, *number);
    } else if (const Array *array = if_array()) {
        out.push_back('[');
        for (const Json &element : *array) {
            if (&element != array->data()) {
                out.push_back(',');
            }
            element.write(out);
        }
        out.push_back(']');
    } else if (const Object *object = if_object()) {
        out.push_back('{');
        for (const Member &member : *object) {
            if (&member != object->data()) {
                out.push_back(',');
            }
            write_string(out, member.first);
            out.push_back(':');
            member.second.write(out);
        }
        out.push_back('}');
    }
}

} // namespace mesh

#endif
