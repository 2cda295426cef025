/*
 * A host made of a few functions, for tests of components in C++.
 *
 * Enters: requests of the component, on any thread. Leaves: a record of it for the test to look at, and a line for
 * each failed expectation. Guarantees: payloads are handed over in blocks of exactly their size, so that a sanitizer sees
 * every read past the end, and are overwritten when the component has returned.
 */
#ifndef GREETER_RECORDING_HOST_HPP
#define GREETER_RECORDING_HOST_HPP

#include "mesh_plugin.h"

#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace recording {

inline std::string text(mesh_slice slice) {
    return slice.length == 0 ? std::string() : std::string(reinterpret_cast<const char *>(slice.data), slice.length);
}

inline mesh_slice slice(std::string_view text) {
    return mesh_bytes(text.data(), text.size());
}

/* Something that the component did: a completion, an event, a request. */
struct Deed {
    std::string kind;
    mesh_token token;
    std::int64_t number; /* A status, a lane or a time. */
    std::string what;
};

struct Host {
    std::mutex lock;
    std::condition_variable changed;
    std::vector<Deed> deeds;
    std::vector<mesh_token> acting; /* For whom was asked, in order. */
    int failures = 0;
    bool delegates = false;
    bool is_old = false; /* It is a host of minor version 2, whose requests name no call. */

    void add(const char *kind, mesh_token token, std::int64_t number, std::string what) {
        const std::lock_guard<std::mutex> guard(lock);
        deeds.push_back({kind, token, number, std::move(what)});
        changed.notify_all();
    }

    std::vector<Deed> take() {
        const std::lock_guard<std::mutex> guard(lock);
        return std::exchange(deeds, {});
    }

    /* Waits until there are so many deeds. */
    std::vector<Deed> take(std::size_t count) {
        std::unique_lock<std::mutex> guard(lock);
        changed.wait(guard, [&] { return deeds.size() >= count; });
        return std::exchange(deeds, {});
    }

    void expect(bool holds, const std::string &what, const std::string &found = "otherwise") {
        if (!holds) {
            failures++;
            std::fprintf(stderr, "FAILED: %s; found: %s\n", what.c_str(), found.c_str());
        }
    }

    void expect_equal(const std::string &found, const std::string &expected) { expect(found == expected, expected, found); }
};

inline Host &of(const void *context) {
    return *static_cast<Host *>(const_cast<void *>(context));
}

inline const mesh_exchange_extension EXCHANGE = {
    sizeof(mesh_exchange_extension), 0,
    [](const void *context, std::uint32_t lane, mesh_token token, mesh_slice component, mesh_slice method, mesh_slice range,
       mesh_slice arguments, std::uint32_t timeout) {
        of(context).add("call", token, lane, text(component) + "/" + text(method) + "@" + text(range) + text(arguments) +
                                                 (timeout == 0 ? "" : " with a limit"));
    }};

inline const mesh_events_extension EVENTS = {
    sizeof(mesh_events_extension), 0,
    [](const void *context, mesh_slice key, mesh_slice data, mesh_slice options) {
        of(context).add("event", 0, 0, text(key) + text(data) + text(options));
    },
    [](const void *context, std::uint32_t lane, mesh_token token, mesh_slice component, mesh_slice key, mesh_slice range) {
        of(context).add("subscribe", token, lane, text(component) + "/" + text(key) + "@" + text(range));
    },
    [](const void *context, mesh_token token) { of(context).add("unsubscribe", token, 0, ""); }};

inline const mesh_data_extension DATA = {
    sizeof(mesh_data_extension), 0,
    [](const void *context, std::uint32_t lane, mesh_token token, mesh_slice path, mesh_slice value, mesh_slice) {
        of(context).add("set", token, lane, text(path) + text(value));
    },
    [](const void *context, std::uint32_t lane, mesh_token token, mesh_slice path, mesh_slice) {
        of(context).add("get", token, lane, text(path));
    },
    [](const void *context, std::uint32_t lane, mesh_token token, mesh_slice path, mesh_slice) {
        of(context).add("remove", token, lane, text(path));
    }};

inline const mesh_timer_extension TIMER = {
    sizeof(mesh_timer_extension), 0,
    [](const void *context, std::uint32_t lane, mesh_token token, std::uint64_t milliseconds) {
        of(context).add("after", token, lane, std::to_string(milliseconds));
    }};

inline const mesh_delegation_extension DELEGATION = {
    sizeof(mesh_delegation_extension), 0, [](const void *context, mesh_token call) {
        const std::lock_guard<std::mutex> guard(of(context).lock);
        of(context).acting.push_back(call);
    }};

inline const mesh_http_extension HTTP = {
    sizeof(mesh_http_extension), 0,
    [](const void *context, mesh_token token, std::uint32_t status, mesh_slice headers, mesh_slice body) {
        of(context).add("respond", token, status, text(headers) + text(body));
    }};

/* Notes for whom a request is made, and what it is. Its number is its token and a million. */
inline std::int32_t asked(const void *context, const mesh_request *request, const char *kind, std::string what, mesh_token *id) {
    if (what.find('/') == 0 || request->event == 404 || request->call == 404) {
        return request->call == 404 || request->event == 404 ? MESH_REQUEST_NO_CALL : MESH_REQUEST_BAD_NAME;
    }
    {
        const std::lock_guard<std::mutex> guard(of(context).lock);
        of(context).acting.push_back(request->call + request->event);
    }
    if (id != nullptr) {
        *id = request->token + 1000000;
    }
    of(context).add(kind, request->token, request->lane, std::move(what));
    return MESH_REQUEST_TAKEN;
}

inline std::int32_t cancel(const void *context, mesh_token id) {
    of(context).add("cancel", id - 1000000, 0, "");
    return MESH_REQUEST_TAKEN;
}

inline const mesh_exchange_2_extension EXCHANGE_2 = {
    sizeof(mesh_exchange_2_extension), 0,
    [](const void *context, const mesh_request *request, mesh_slice component, mesh_slice method, mesh_slice range,
       mesh_slice arguments, std::uint32_t timeout, mesh_token *id) {
        return asked(context, request, "call",
                     text(component) + "/" + text(method) + "@" + text(range) + text(arguments) +
                         (timeout == 0 ? "" : " with a limit"),
                     id);
    },
    cancel};

inline const mesh_events_2_extension EVENTS_2 = {
    sizeof(mesh_events_2_extension), 0,
    [](const void *context, const mesh_request *request, mesh_slice key, mesh_slice data, mesh_slice options) {
        return asked(context, request, "event", text(key) + text(data) + text(options), nullptr);
    },
    [](const void *context, const mesh_request *request, mesh_slice component, mesh_slice key, mesh_slice range) {
        return asked(context, request, "subscribe", text(component) + "/" + text(key) + "@" + text(range), nullptr);
    },
    [](const void *context, mesh_token token) {
        of(context).add("unsubscribe", token, 0, "");
        return MESH_REQUEST_TAKEN;
    }};

inline const mesh_data_2_extension DATA_2 = {
    sizeof(mesh_data_2_extension), 0,
    [](const void *context, const mesh_request *request, mesh_slice path, mesh_slice value, mesh_slice, mesh_token *id) {
        return asked(context, request, "set", text(path) + text(value), id);
    },
    [](const void *context, const mesh_request *request, mesh_slice path, mesh_slice, mesh_token *id) {
        return asked(context, request, "get", text(path), id);
    },
    [](const void *context, const mesh_request *request, mesh_slice path, mesh_slice, mesh_token *id) {
        return asked(context, request, "remove", text(path), id);
    },
    cancel};

inline const mesh_timer_2_extension TIMER_2 = {
    sizeof(mesh_timer_2_extension), 0,
    [](const void *context, const mesh_request *request, std::uint64_t milliseconds, mesh_token *id) {
        return asked(context, request, "after", std::to_string(milliseconds), id);
    },
    cancel};

inline const void *extension(const void *context, mesh_slice name) {
    const std::pair<const char *, const void *> second[] = {
        {MESH_EXCHANGE_2_EXTENSION, &EXCHANGE_2},
        {MESH_EVENTS_2_EXTENSION, &EVENTS_2},
        {MESH_DATA_2_EXTENSION, &DATA_2},
        {MESH_TIMER_2_EXTENSION, &TIMER_2},
    };
    for (const auto &[known, functions] : second) {
        if (text(name) == known) {
            return of(context).is_old ? nullptr : functions;
        }
    }
    const std::pair<const char *, const void *> all[] = {
        {MESH_EXCHANGE_EXTENSION, &EXCHANGE}, {MESH_EVENTS_EXTENSION, &EVENTS}, {MESH_DATA_EXTENSION, &DATA},
        {MESH_TIMER_EXTENSION, &TIMER},       {MESH_HTTP_EXTENSION, &HTTP},
    };
    for (const auto &[known, functions] : all) {
        if (text(name) == known) {
            return functions;
        }
    }
    return text(name) == MESH_DELEGATION_EXTENSION && of(context).delegates ? &DELEGATION : nullptr;
}

/* The table of a host of a later minor version: it goes on after what the component knows. */
struct Table {
    mesh_host known;
    void *later[2];
};

inline Table table(Host &host, const void *(*find)(const void *, mesh_slice) = extension) {
    return {{sizeof(Table), MESH_ABI_MAJOR, MESH_ABI_MINOR + 1, &host,
             [](const void *context, mesh_token token, std::int32_t status, mesh_slice payload) {
                 of(context).add("complete", token, status, text(payload));
             },
             [](const void *context, mesh_slice message) { of(context).add("fail", 0, 0, text(message)); },
             [](const void *context, std::int32_t level, mesh_slice part, mesh_slice message) {
                 of(context).add("log", 0, level, text(part) + ": " + text(message));
             },
             [](const void *, std::uint32_t) {}, [](const void *, std::uint32_t, const mesh_work **) -> std::int64_t { return -1; },
             [](const void *, std::uint32_t) -> std::int32_t { return -1; }, find},
            {nullptr, nullptr}};
}

/* Bytes in a block of exactly their size, overwritten at their end. */
class Borrowed {
  public:
    explicit Borrowed(std::string_view text) : size_(text.size()), bytes_(new char[size_]) { text.copy(bytes_.get(), size_); }
    ~Borrowed() {
        for (std::size_t at = 0; at < size_; at++) {
            bytes_[at] = '!';
        }
    }
    mesh_slice slice() const { return mesh_bytes(bytes_.get(), size_); }

  private:
    std::size_t size_;
    std::unique_ptr<char[]> bytes_;
};

/* One instance of a component, and the lane that drives it. */
class Driven {
  public:
    Driven(Host &host, const char *config = "{}", const void *(*find)(const void *, mesh_slice) = extension)
        : host_(host), table_(table(host, find)), vtable_(*mesh_component_entry()->vtable) {
        status_ = vtable_.create(&table_.known, slice("{\"component\":\"greeter\"}"), slice(config), &instance_);
    }
    ~Driven() { end(); }

    std::int32_t status() const { return status_; }

    void end() {
        if (instance_ != nullptr) {
            vtable_.destroy(std::exchange(instance_, nullptr));
        }
    }

    /* Hands over one item, behind one of a kind that nobody knows. Items are longer than the component knows. */
    void push(std::uint32_t kind, mesh_token token, std::string_view target, std::string_view payload,
              std::int32_t status = MESH_STATUS_OK, std::uint32_t method = UINT32_MAX, std::string_view origin = "") {
        struct Longer {
            mesh_work known;
            std::uint64_t later[3];
        };
        const Borrowed where(target), what(payload), who(origin);
        const Longer items[2] = {
            {{sizeof(Longer), 99, 0, 0, 0, 0, 0, {}, {}, {}}, {1, 2, 3}},
            {{sizeof(Longer), kind, token, status, 9000, method, 0, where.slice(), what.slice(), who.slice()}, {4, 5, 6}}};
        vtable_.work(instance_, 3, &items[0].known, 2);
    }

    /* Calls, and shows what came of it: `status payload`. */
    std::string call(std::string_view method, std::string_view arguments, std::string_view origin = "") {
        const mesh_token token = ++token_;
        push(MESH_WORK_CALL, token, method, arguments, 0, UINT32_MAX, origin);
        return answer(token);
    }

    /* The one completion that was made of this token. */
    std::string answer(mesh_token token) {
        const std::vector<Deed> deeds = host_.take();
        host_.expect(deeds.size() == 1 && deeds[0].token == token, "one completion", std::to_string(deeds.size()));
        return deeds.empty() ? std::string() : std::to_string(deeds[0].number) + " " + deeds[0].what;
    }

    /* An order of the host, and what came of it. */
    std::string order(std::uint32_t kind, std::string_view payload = "", std::uint32_t method = 0) {
        const mesh_token token = ++token_;
        push(kind, token, "", payload, 0, method);
        return answer(token);
    }

    mesh_token next_token() { return ++token_; }

  private:
    Host &host_;
    Table table_;
    mesh_vtable vtable_;
    void *instance_ = nullptr;
    std::int32_t status_ = MESH_STATUS_ERROR;
    mesh_token token_ = 1000;
};

} // namespace recording

#endif
