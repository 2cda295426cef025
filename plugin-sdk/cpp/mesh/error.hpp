/*
 * Errors of calls.
 *
 * Enters: the failure, or the payload of an answer that says so. Leaves: a payload that says so. Guarantees: an
 * error of another component that is handed on keeps all that it had.
 */
#ifndef MESH_ERROR_HPP
#define MESH_ERROR_HPP

#include "json.hpp"
#include "mesh_plugin.h"

#include <exception>

namespace mesh {

/* The bytes of a slice, borrowed like it. */
inline std::string_view view(mesh_slice slice) noexcept {
    return slice.length == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char *>(slice.data), slice.length);
}

/* A text as a slice, which borrows it. */
inline mesh_slice slice(std::string_view text) noexcept {
    return mesh_bytes(text.data(), text.size());
}

/* Thrown to fail a call: the caller gets an object with `message`, `name` and the further members. */
class Error : public std::exception {
  public:
    explicit Error(std::string message, std::string name = "Error") : message_(std::move(message)) {
        payload_.push(Json::object({{"message", message_}, {"name", std::move(name)}}));
    }

    /* A failure that is no error object: the caller's callback gets this text or value as it is. */
    static Error value(Json value) {
        Error error(value.is_string() ? *value.if_string() : value.text());
        error.payload_ = Json::array({std::move(value)});
        error.status_ = MESH_STATUS_VALUE_ERROR;
        return error;
    }

    /* The error that an answer with this status and this payload speaks of. */
    static Error of(std::int32_t status, const Json &payload) {
        Error error("the component failed without a reason");
        if (payload.size() == 0) {
            return error;
        }
        error.payload_ = payload;
        /* The defect of another component is an error here, and no defect of this one. */
        error.status_ = status == MESH_STATUS_VALUE_ERROR ? status : MESH_STATUS_ERROR;
        const Json &first = payload[0];
        if (const std::string *message = first["message"].if_string()) {
            error.message_ = *message;
        } else {
            error.message_ = first.is_string() ? *first.if_string() : first.text();
        }
        return error;
    }

    /* Says what kind of error it is: `Error` unless told. */
    Error &named(std::string name) { return with("name", Json(std::move(name))); }

    /* Adds a member to the error object, such as `code`. */
    Error &with(std::string member, Json value) {
        Json::Array &payload = *payload_.if_array();
        if (payload.front().is_object()) {
            payload.front().set(std::move(member), std::move(value));
        }
        return *this;
    }

    const std::string &message() const noexcept { return message_; }
    const char *what() const noexcept override { return message_.c_str(); }

    /* Its kind, such as `TypeError` or `AccessDenied`; empty when it is no error object. */
    std::string name() const {
        const std::string *name = payload_[0]["name"].if_string();
        return name == nullptr ? std::string() : *name;
    }

    /* A member of the error object, such as `code`; the null value where there is none. */
    const Json &operator[](std::string_view member) const noexcept { return payload_[0][member]; }

    /* How it leaves: a MESH_STATUS_*, and the array for it. */
    std::int32_t status() const noexcept { return status_; }
    const Json &payload() const noexcept { return payload_; }

  private:
    std::string message_;
    Json payload_;
    std::int32_t status_ = MESH_STATUS_ERROR;
};

} // namespace mesh

#endif
