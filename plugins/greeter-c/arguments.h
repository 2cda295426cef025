/*
 * Splits a JSON array of arguments into the JSON text of each, for components that need no JSON library.
 *
 * Enters: bytes from anywhere, in the worst case hostile. Leaves: slices that borrow them, or a refusal.
 * Guarantees: reads no byte outside the slice; needs no heap and no recursion; accepts exactly the JSON grammar, nested
 * at most DEEPEST_NESTING deep. It does not decode: strings keep their escapes. UTF-8 is not looked at; the host does.
 */
#ifndef GREETER_ARGUMENTS_H
#define GREETER_ARGUMENTS_H

#include "mesh_plugin.h"

#include <stdbool.h>

enum {
    ARGUMENTS_KEPT = 4,   /* No method has more parameters; further arguments are checked and dropped. */
    DEEPEST_NESTING = 512 /* Arguments that nest deeper are refused. */
};

/* The raw JSON text of each argument. Borrowed from the call. */
struct arguments {
    size_t count;
    mesh_slice values[ARGUMENTS_KEPT];
};

/* The rest to read. `at` never passes `end`. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
};

static bool next_is(const struct reader *reader, uint8_t byte) {
    return reader->at < reader->end && *reader->at == byte;
}

static bool skip_byte(struct reader *reader, uint8_t byte) {
    if (!next_is(reader, byte)) {
        return false;
    }
    reader->at++;
    return true;
}

static void skip_space(struct reader *reader) {
    while (next_is(reader, ' ') || next_is(reader, '\t') || next_is(reader, '\n') || next_is(reader, '\r')) {
        reader->at++;
    }
}

static bool skip_word(struct reader *reader, mesh_slice word) {
    if ((size_t)(reader->end - reader->at) < word.length || memcmp(reader->at, word.data, word.length) != 0) {
        return false;
    }
    reader->at += word.length;
    return true;
}

static bool is_hexadecimal(uint8_t byte) {
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool skip_string(struct reader *reader) {
    if (!skip_byte(reader, '"')) {
        return false;
    }
    while (reader->at < reader->end) {
        uint8_t byte = *reader->at++;
        if (byte == '"') {
            return true;
        }
        if (byte < 0x20) {
            return false;
        }
        if (byte != '\\') {
            continue;
        }
        if (reader->at == reader->end) {
            return false;
        }
        uint8_t escape = *reader->at++;
        if (escape == 'u') {
            for (int digit = 0; digit < 4; digit++) {
                if (reader->at == reader->end || !is_hexadecimal(*reader->at++)) {
                    return false;
                }
            }
        } else if (escape == '\0' || strchr("\"\\/bfnrt", escape) == NULL) {
            return false;
        }
    }
    return false;
}

/* Skips one digit or more. */
static bool skip_digits(struct reader *reader) {
    const uint8_t *start = reader->at;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') {
        reader->at++;
    }
    return reader->at > start;
}

static bool skip_number(struct reader *reader) {
    skip_byte(reader, '-');
    if (!skip_byte(reader, '0') && !skip_digits(reader)) {
        return false;
    }
    if (skip_byte(reader, '.') && !skip_digits(reader)) {
        return false;
    }
    if (skip_byte(reader, 'e') || skip_byte(reader, 'E')) {
        if (!skip_byte(reader, '+')) {
            skip_byte(reader, '-');
        }
        return skip_digits(reader);
    }
    return true;
}

static bool skip_key(struct reader *reader) {
    skip_space(reader);
    if (!skip_string(reader)) {
        return false;
    }
    skip_space(reader);
    return skip_byte(reader, ':');
}

/* Skips a text, number, `true`, `false` or `null`. */
static bool skip_scalar(struct reader *reader) {
    if (next_is(reader, '"')) {
        return skip_string(reader);
    }
    return skip_word(reader, mesh_text("true")) || skip_word(reader, mesh_text("false")) ||
           skip_word(reader, mesh_text("null")) || skip_number(reader);
}

/* Skips one whole value. Nested values are walked without recursion: the stack of the lane is not the caller's to
 * spend. */
static bool skip_value(struct reader *reader) {
    uint8_t closers[DEEPEST_NESTING];
    size_t depth = 0;
    for (;;) {
        skip_space(reader);
        bool is_object = next_is(reader, '{');
        if (is_object || next_is(reader, '[')) {
            if (depth == DEEPEST_NESTING) {
                return false;
            }
            reader->at++;
            closers[depth++] = is_object ? '}' : ']';
            skip_space(reader);
            if (!next_is(reader, closers[depth - 1])) {
                if (is_object && !skip_key(reader)) {
                    return false;
                }
                continue;
            }
        } else if (!skip_scalar(reader)) {
            return false;
        }
        /* A value ended, or an empty collection is about to: close what closes, until another value follows. */
        for (;;) {
            if (depth == 0) {
                return true;
            }
            skip_space(reader);
            if (skip_byte(reader, closers[depth - 1])) {
                depth--;
            } else if (skip_byte(reader, ',')) {
                break;
            } else {
                return false;
            }
        }
        if (closers[depth - 1] == '}' && !skip_key(reader)) {
            return false;
        }
    }
}

/* Splits a JSON array. Returns false when `text` is anything else. */
static bool split_arguments(mesh_slice text, struct arguments *arguments) {
    arguments->count = 0;
    if (text.length == 0) {
        return false;
    }
    struct reader reader = {text.data, text.data + text.length};
    skip_space(&reader);
    if (!skip_byte(&reader, '[')) {
        return false;
    }
    skip_space(&reader);
    if (!skip_byte(&reader, ']')) {
        do {
            skip_space(&reader);
            const uint8_t *start = reader.at;
            if (!skip_value(&reader)) {
                return false;
            }
            if (arguments->count < ARGUMENTS_KEPT) {
                arguments->values[arguments->count++] = mesh_bytes(start, (size_t)(reader.at - start));
            }
            skip_space(&reader);
        } while (skip_byte(&reader, ','));
        if (!skip_byte(&reader, ']')) {
            return false;
        }
    }
    skip_space(&reader);
    return reader.at == reader.end;
}

/* Argument number `index` if it is a string. `inside` becomes its JSON text without the quotes. */
static bool string_argument(const struct arguments *arguments, size_t index, mesh_slice *inside) {
    if (index >= arguments->count || arguments->values[index].data[0] != '"') {
        return false;
    }
    *inside = mesh_bytes(arguments->values[index].data + 1, arguments->values[index].length - 2);
    return true;
}

/* As `string_argument`, for names: not empty, and without escapes, so that the JSON text is the name itself. */
static bool name_argument(const struct arguments *arguments, size_t index, mesh_slice *name) {
    return string_argument(arguments, index, name) && name->length > 0 &&
           memchr(name->data, '\\', name->length) == NULL;
}

/* Argument number `index` if it is a whole number from 0 to `largest`. */
static bool whole_argument(const struct arguments *arguments, size_t index, uint64_t largest, uint64_t *number) {
    if (index >= arguments->count) {
        return false;
    }
    mesh_slice digits = arguments->values[index];
    *number = 0;
    for (size_t position = 0; position < digits.length; position++) {
        if (digits.data[position] < '0' || digits.data[position] > '9') {
            return false;
        }
        *number = *number * 10 + (uint64_t)(digits.data[position] - '0');
        if (*number > largest) {
            return false;
        }
    }
    return true;
}

#endif
