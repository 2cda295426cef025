/*
 * Calls and web requests as methods and routes see them, and their answers.
 *
 * Enters: work items of the host. Leaves: one completion for each. Guarantees: an answer may be given on any thread,
 * once, twice or never: the first counts, and a call whose last `Answer` is gone fails. A `Call` lives as long as its method
 * runs; what outlives that holds an `Answer`.
 */
#ifndef MESH_CALL_HPP
#define MESH_CALL_HPP

#include "link.hpp"

namespace mesh {

/* The answer of the host to a request of the component. */
class Reply {
  public:
    Reply(std::int32_t status, std::string payload) : status_(status), payload_(std::move(payload)) {}

    bool is_ok() const noexcept { return status_ == MESH_STATUS_OK; }
    std::int32_t status() const noexcept { return status_; }
    const std::string &text() const noexcept { return payload_; }

    /* The payload; throws the error when there is one. For data it is the document. */
    Json value() const {
        if (!is_ok()) {
            throw error();
        }
        return payload_.empty() ? Json() : Json::parse(payload_);
    }

    /* The results of a call, as an array; throws the error when there is one. */
    Json results() const { return payload_.empty() && is_ok() ? Json::array() : value(); }

    /* The first result of a call; throws the error when there is one. */
    template <class T = Json> T one() const { return mesh::value<T>(results()[0]); }

    /* The error, when there is one. */
    Error error() const {
        Json payload;
        try {
            payload = Json::parse(payload_);
        } catch (const JsonError &) {
            /* An error without a reason. */
        }
        return Error::of(status_, payload);
    }

  private:
    std::int32_t status_;
    std::string payload_;
};

/* The answer of a web route. */
class HttpResponse {
  public:
    explicit HttpResponse(std::uint32_t status = 200, std::string body = {}) : status_(status), body_(std::move(body)) {}

    static HttpResponse text(std::string body) {
        HttpResponse response(200, std::move(body));
        response.header("Content-Type", "text/plain; charset=utf-8");
        return response;
    }
    static HttpResponse json(const Json &value, std::uint32_t status = 200) {
        HttpResponse response(status, value.text());
        response.header("Content-Type", "application/json");
        return response;
    }

    /* Adds a header. One that comes more than once is sent as often. */
    HttpResponse &header(const std::string &name, std::string value) {
        Json values = headers_[name];
        headers_.set(name, values.push(Json(std::move(value))));
        return *this;
    }

    std::uint32_t status() const noexcept { return status_; }
    const Json &headers() const noexcept { return headers_; }
    const std::string &body() const noexcept { return body_; }

  private:
    std::uint32_t status_;
    Json headers_ = Json::object();
    std::string body_;
};

/* The request of a client for a web route. */
struct HttpRequest {
    std::string method;  /* Such as "GET". */
    std::string url;     /* Path and query as the client sent them. */
    std::string path;    /* The rest behind the route: empty, or it begins with `/` or `.`. */
    std::string query;   /* The part behind `?`, or empty. */
    std::string address; /* The client's. */
    Json headers;        /* An object of texts with names in small letters. */
    std::string body;    /* Any bytes. */

    /* A header by its name in small letters; empty when it was not sent. */
    std::string header(std::string_view name) const {
        const std::string *value = headers[name].if_string();
        return value == nullptr ? std::string() : *value;
    }
};

/* The answer that a call still waits for. Copies stand for the same one. May be used on any thread; each function returns
 * whether it was the first to answer. */
class Answer {
  public:
    explicit Answer(std::shared_ptr<detail::PendingCall> call) noexcept : call_(std::move(call)) {}

    /* Answers with these results. */
    template <class... Values> bool complete(Values &&...values) const {
        return call_->complete(MESH_STATUS_OK, arguments(std::forward<Values>(values)...).text());
    }
    bool complete(const Results &results) const { return call_->complete(MESH_STATUS_OK, results.array.text()); }
    bool complete(Results &results) const { return complete(std::as_const(results)); }
    bool complete(Results &&results) const { return complete(std::as_const(results)); }

    /* Fails. */
    bool fail(const Error &error) const { return call_->complete(error.status(), error.payload().text()); }

    /* Hands on what another component answered. */
    bool relay(const Reply &reply) const {
        const bool is_defect = reply.status() == MESH_STATUS_PANIC;
        return call_->complete(is_defect ? MESH_STATUS_ERROR : reply.status(), reply.text());
    }

    /* Answers a web request. Throws std::logic_error when this is the call of a method. */
    bool respond(const HttpResponse &response) const {
        if (!call_->is_web()) {
            throw std::logic_error("the call of a method cannot be answered with a response of HTTP");
        }
        return call_->respond(response.status(), response.headers().text(), response.body());
    }

    /* Runs `function`, and fails the call with what it throws. */
    template <class Function> void guard(Function &&function) const noexcept {
        try {
            std::forward<Function>(function)();
        } catch (...) {
            const detail::Outcome outcome = detail::outcome_of_exception();
            call_->complete(outcome.status, outcome.payload);
        }
    }

    /* Whether somebody still waits: it was neither answered nor given up. */
    bool is_wanted() const noexcept { return call_->is_wanted(); }

    const std::shared_ptr<detail::PendingCall> &pending() const noexcept { return call_; }

  private:
    std::shared_ptr<detail::PendingCall> call_;
};

/* A call or a web request, for as long as its method or its route runs on its lane. */
class Call {
  public:
    Call(std::shared_ptr<detail::Link> link, std::uint32_t lane, const mesh_work *item)
        : link_(std::move(link)), item_(item), lane_(lane),
          deadline_(std::chrono::steady_clock::now() + std::chrono::milliseconds(item->deadline_milliseconds)) {}
    Call(const Call &) = delete;
    Call &operator=(const Call &) = delete;

    /* The lane that it came on: 0, 1, and so on. */
    std::uint32_t lane() const noexcept { return lane_; }

    /* How long somebody waits for the answer. */
    std::chrono::milliseconds remaining() const noexcept {
        const auto left = deadline_ - std::chrono::steady_clock::now();
        const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(left);
        return std::max(milliseconds, std::chrono::milliseconds(0));
    }

    /* Who calls: an object with the session's `id` and, on a secure mesh, `username`; null where nobody is known. */
    Json origin() const { return item_->origin.length == 0 ? Json() : Json::parse(view(item_->origin)); }

    /* The user who calls; nobody on a mesh without security. */
    std::optional<std::string> username() const {
        const Json who = origin();
        const std::string *name = who["username"].if_string();
        return name == nullptr ? std::nullopt : std::optional<std::string>(*name);
    }

    /* Answers later, from any thread. The return value of the method is no answer then. An exception still is one. */
    Answer later() {
        is_answered_later_ = true;
        return Answer(pending());
    }

    bool is_answered_later() const noexcept { return is_answered_later_; }

    /* The state of requests for this call. */
    const std::shared_ptr<detail::PendingCall> &pending() {
        if (pending_ == nullptr) {
            const bool is_web = item_->kind == MESH_WORK_HTTP;
            pending_ = std::make_shared<detail::PendingCall>(link_, item_->token, lane_, deadline_, is_web);
            link_->add_call(item_->token, pending_);
        }
        return pending_;
    }

    const std::shared_ptr<detail::Link> &link() const noexcept { return link_; }
    mesh_token token() const noexcept { return item_->token; }
    const mesh_work *item() const noexcept { return item_; }

    /* Answers at once, unless somebody has. */
    void complete(std::int32_t status, std::string_view payload) noexcept {
        if (pending_ != nullptr) {
            pending_->complete(status, payload);
        } else if (!is_over_) {
            link_->complete(item_->token, status, payload);
        }
        is_over_ = true;
    }

    void respond(const HttpResponse &response) {
        pending()->respond(response.status(), response.headers().text(), response.body());
    }

  private:
    std::shared_ptr<detail::Link> link_;
    const mesh_work *item_;
    std::uint32_t lane_;
    std::chrono::steady_clock::time_point deadline_;
    std::shared_ptr<detail::PendingCall> pending_;
    bool is_answered_later_ = false;
    bool is_over_ = false;
};

} // namespace mesh

#endif
