/*
 * The tie of an instance to its host: the host's functions, and who waits for what.
 *
 * Enters: the host's table, completions from any thread, replies and cancellations. Leaves: calls of the host's
 * functions. Guarantees: a call is completed once, whoever completes it, and with an error when the last who could is gone;
 * after the end of the instance nothing reaches the host any more; no lock is held while code of the component runs.
 */
#ifndef MESH_LINK_HPP
#define MESH_LINK_HPP

#include "convert.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace mesh {

class Event;
class Reply;

/* How loud a line of the host's log is. */
enum class Level : std::int32_t {
    error = MESH_LEVEL_ERROR,
    warn = MESH_LEVEL_WARN,
    info = MESH_LEVEL_INFO,
    debug = MESH_LEVEL_DEBUG,
    trace = MESH_LEVEL_TRACE,
};

/* Parts of this layer that authors do not name. */
namespace detail {

/* How a call is answered: a status and the payload for it. */
struct Outcome {
    std::int32_t status = MESH_STATUS_OK;
    std::string payload;
};

/* To be called where an exception was caught: what its caller is told. A `mesh::Error` is itself. Another exception is an
 * error with its text. Anything but an exception is a defect, as a panic is. */
inline Outcome outcome_of_exception() noexcept {
    static constexpr char NO_MEMORY[] = "[{\"message\":\"out of memory\",\"name\":\"Error\"}]";
    Outcome outcome;
    try {
        try {
            throw;
        } catch (const Error &error) {
            outcome = {error.status(), error.payload().text()};
        } catch (const Mismatch &error) {
            outcome = {MESH_STATUS_ERROR, Error(error.what(), "TypeError").payload().text()};
        } catch (const JsonError &error) {
            outcome = {MESH_STATUS_ERROR, Error(error.what(), "SyntaxError").payload().text()};
        } catch (const std::bad_alloc &) {
            outcome = {MESH_STATUS_ERROR, NO_MEMORY};
        } catch (const std::exception &error) {
            outcome = {MESH_STATUS_ERROR, Error(error.what()).payload().text()};
        } catch (...) {
            outcome = {MESH_STATUS_PANIC, Error("something was thrown that is no exception", "Panic").payload().text()};
        }
    } catch (...) {
        /* There is no memory for the text of the error. An empty payload is an error without a reason. */
        outcome.status = MESH_STATUS_ERROR;
        outcome.payload.clear();
    }
    return outcome;
}

class PendingCall;

/* A request of the component that the host has not answered yet. */
struct Waiting {
    std::function<void(Reply &)> handler;
    /* The call that it is made for. Keeps it from being given up meanwhile. */
    std::shared_ptr<PendingCall> call;
};

using EventHandler = std::function<void(Event &)>;

/* The extensions whose requests name the call that they are made for; null with a host before minor version 3. */
struct NamedRequests {
    const mesh_exchange_2_extension *exchange;
    const mesh_events_2_extension *events;
    const mesh_data_2_extension *data;
    const mesh_timer_2_extension *timer;
};

/* One for each instance. Shared by all that may speak to the host, and closed when the instance ends. */
class Link {
  public:
    explicit Link(const mesh_host *host)
        : host_(host),
          exchange_(find<mesh_exchange_extension>(MESH_EXCHANGE_EXTENSION, MESH_EXCHANGE_EXTENSION_SIZE_1_0)),
          events_(find<mesh_events_extension>(MESH_EVENTS_EXTENSION, MESH_EVENTS_EXTENSION_SIZE_1_0)),
          data_(find<mesh_data_extension>(MESH_DATA_EXTENSION, MESH_DATA_EXTENSION_SIZE_1_0)),
          timer_(find<mesh_timer_extension>(MESH_TIMER_EXTENSION, MESH_TIMER_EXTENSION_SIZE_1_0)),
          delegation_(find<mesh_delegation_extension>(MESH_DELEGATION_EXTENSION, MESH_DELEGATION_EXTENSION_SIZE_1_1)),
          named_{find<mesh_exchange_2_extension>(MESH_EXCHANGE_2_EXTENSION, MESH_EXCHANGE_2_EXTENSION_SIZE_1_3),
                 find<mesh_events_2_extension>(MESH_EVENTS_2_EXTENSION, MESH_EVENTS_2_EXTENSION_SIZE_1_3),
                 find<mesh_data_2_extension>(MESH_DATA_2_EXTENSION, MESH_DATA_2_EXTENSION_SIZE_1_3),
                 find<mesh_timer_2_extension>(MESH_TIMER_2_EXTENSION, MESH_TIMER_2_EXTENSION_SIZE_1_3)} {}
    Link(const Link &) = delete;
    Link &operator=(const Link &) = delete;

    /* Web requests come only to a component that says in its descriptor that it uses this; to one of ABI 1.2 or before, that has looked it
     * up. */
    void serve_web() noexcept { http_ = find<mesh_http_extension>(MESH_HTTP_EXTENSION, MESH_HTTP_EXTENSION_SIZE_1_2); }

    const mesh_exchange_extension *exchange() const noexcept { return exchange_; }
    const mesh_events_extension *events() const noexcept { return events_; }
    const mesh_data_extension *data() const noexcept { return data_; }
    const mesh_timer_extension *timer() const noexcept { return timer_; }
    const mesh_delegation_extension *delegation() const noexcept { return delegation_; }
    const mesh_http_extension *http() const noexcept { return http_; }
    const NamedRequests &named() const noexcept { return named_; }

    /* Cancels a request, where the host can. That it is over already is no fault. */
    void cancel(mesh_token id) const noexcept {
        if (id == 0 || !is_open()) {
            return;
        }
        if (named_.exchange != nullptr) {
            named_.exchange->cancel(context(), id);
        } else if (named_.data != nullptr) {
            named_.data->cancel(context(), id);
        } else if (named_.timer != nullptr) {
            named_.timer->cancel(context(), id);
        }
    }

    /* Ends a subscription. That it is gone already is no fault. */
    void unsubscribe(mesh_token token) const noexcept {
        if (!is_open()) {
            return;
        }
        if (named_.events != nullptr) {
            named_.events->unsubscribe(context(), token);
        } else if (events_ != nullptr) {
            events_->unsubscribe(context(), token);
        }
    }
    const void *context() const noexcept { return host_->context; }

    /* Whether the instance is still there. */
    bool is_open() const noexcept { return is_open_.load(std::memory_order_acquire); }

    /* From now on nothing reaches the host. */
    void close() noexcept { is_open_.store(false, std::memory_order_release); }

    void complete(mesh_token token, std::int32_t status, std::string_view payload) const noexcept {
        if (is_open()) {
            host_->complete(host_->context, token, status, slice(payload));
        }
    }

    /* Takes the word of `info` for how much the host writes. A host that has none gets all. */
    void set_log_level(const Json &word) noexcept {
        static constexpr std::string_view WORDS[] = {"off", "error", "warn", "info", "debug", "trace"};
        const std::string *given = word.if_string();
        for (std::size_t number = 0; given != nullptr && number < std::size(WORDS); number++) {
            if (*given == WORDS[number]) {
                log_level_.store(static_cast<std::int32_t>(number), std::memory_order_relaxed);
            }
        }
    }

    /* Whether the host writes lines of this level. */
    bool wants(Level level) const noexcept {
        return static_cast<std::int32_t>(level) <= log_level_.load(std::memory_order_relaxed);
    }

    void log(Level level, std::string_view part, std::string_view message) const noexcept {
        if (is_open() && wants(level)) {
            host_->log(host_->context, static_cast<std::int32_t>(level), slice(part), slice(message));
        }
    }

    /* To be called where an exception was caught that has no caller to be told. */
    void log_exception(std::string_view where) const noexcept {
        try {
            log(Level::error, where, outcome_of_exception().payload);
        } catch (...) {
            /* There is no memory for a line. */
        }
    }

    /* A number for a request or a subscription: never zero, never used twice. */
    mesh_token next_token() noexcept { return next_.fetch_add(1, std::memory_order_relaxed); }

    /* To be called before the request is made: its reply may come on another lane at once. */
    void remember(mesh_token token, Waiting waiting) {
        const std::lock_guard<std::mutex> guard(lock_);
        waiting_.emplace(token, std::move(waiting));
    }

    /* Takes out who waits for a reply; nobody when that is not known (any more). */
    Waiting recall(mesh_token token) noexcept {
        const std::lock_guard<std::mutex> guard(lock_);
        const auto found = waiting_.find(token);
        if (found == waiting_.end()) {
            return {};
        }
        Waiting waiting = std::move(found->second);
        waiting_.erase(found);
        return waiting;
    }

    /* Gives up all requests and subscriptions. Their captures are freed here, behind the lock: it may want that. */
    void forget() noexcept {
        std::unordered_map<mesh_token, Waiting> waiting;
        std::unordered_map<mesh_token, std::shared_ptr<const EventHandler>> subscriptions;
        const std::lock_guard<std::mutex> guard(lock_);
        waiting.swap(waiting_);
        subscriptions.swap(subscriptions_);
    }

    void add_subscription(mesh_token token, std::shared_ptr<const EventHandler> handler) {
        const std::lock_guard<std::mutex> guard(lock_);
        subscriptions_.emplace(token, std::move(handler));
    }

    /* Returns the handler, to be freed without the lock. */
    std::shared_ptr<const EventHandler> remove_subscription(mesh_token token) noexcept {
        const std::lock_guard<std::mutex> guard(lock_);
        const auto found = subscriptions_.find(token);
        if (found == subscriptions_.end()) {
            return nullptr;
        }
        std::shared_ptr<const EventHandler> handler = std::move(found->second);
        subscriptions_.erase(found);
        return handler;
    }

    std::shared_ptr<const EventHandler> subscription(mesh_token token) const noexcept {
        const std::lock_guard<std::mutex> guard(lock_);
        const auto found = subscriptions_.find(token);
        return found == subscriptions_.end() ? nullptr : found->second;
    }

    void add_call(mesh_token token, const std::shared_ptr<PendingCall> &call) {
        const std::lock_guard<std::mutex> guard(lock_);
        calls_.insert_or_assign(token, call);
    }

    void remove_call(mesh_token token) noexcept {
        const std::lock_guard<std::mutex> guard(lock_);
        calls_.erase(token);
    }

    std::shared_ptr<PendingCall> pending_call(mesh_token token) const noexcept {
        const std::lock_guard<std::mutex> guard(lock_);
        const auto found = calls_.find(token);
        return found == calls_.end() ? nullptr : found->second.lock();
    }

  private:
    const mesh_host *host_;
    const mesh_exchange_extension *exchange_;
    const mesh_events_extension *events_;
    const mesh_data_extension *data_;
    const mesh_timer_extension *timer_;
    const mesh_delegation_extension *delegation_;
    NamedRequests named_;
    const mesh_http_extension *http_ = nullptr;
    std::atomic<bool> is_open_{true};
    std::atomic<std::int32_t> log_level_{MESH_LEVEL_TRACE};
    std::atomic<mesh_token> next_{1};
    mutable std::mutex lock_;
    std::unordered_map<mesh_token, Waiting> waiting_;
    std::unordered_map<mesh_token, std::shared_ptr<const EventHandler>> subscriptions_;
    std::unordered_map<mesh_token, std::weak_ptr<PendingCall>> calls_;

    /* An extension; null where the host has none of that name, or one that is shorter than in its first version. Fields behind
     * that size are to be looked for with `mesh_has_field`. */
    template <class Extension> const Extension *find(std::string_view name, std::size_t first_size) const noexcept {
        const auto *found = static_cast<const Extension *>(host_->get_extension(host_->context, slice(name)));
        return found != nullptr && found->struct_size >= first_size ? found : nullptr;
    }
};

/* A call that is answered later than its method returns. Freed when the last answer and the last request for it are gone. */
class PendingCall {
  public:
    PendingCall(std::shared_ptr<Link> link, mesh_token token, std::uint32_t lane,
                std::chrono::steady_clock::time_point deadline, bool is_web) noexcept
        : link_(std::move(link)), token_(token), lane_(lane), deadline_(deadline), is_web_(is_web) {}
    PendingCall(const PendingCall &) = delete;
    PendingCall &operator=(const PendingCall &) = delete;

    ~PendingCall() {
        complete(MESH_STATUS_ERROR, "[{\"message\":\"the component dropped the call without an answer\",\"name\":\"Error\"}]");
        link_->remove_call(token_);
    }

    const std::shared_ptr<Link> &link() const noexcept { return link_; }
    mesh_token token() const noexcept { return token_; }
    std::uint32_t lane() const noexcept { return lane_; }
    std::chrono::steady_clock::time_point deadline() const noexcept { return deadline_; }
    bool is_web() const noexcept { return is_web_; }

    /* Whether somebody waits for its answer. */
    bool is_wanted() const noexcept { return !is_over_.load(std::memory_order_acquire) && link_->is_open(); }

    /* The first completion counts. Returns whether it was this one. */
    bool complete(std::int32_t status, std::string_view payload) noexcept {
        if (!end()) {
            return false;
        }
        link_->complete(token_, status, payload);
        return true;
    }

    bool respond(std::uint32_t status, std::string_view headers, std::string_view body) noexcept {
        if (!end()) {
            return false;
        }
        if (link_->is_open()) {
            link_->http()->respond(link_->context(), token_, status, slice(headers), slice(body));
        }
        return true;
    }

    /* Nobody waits any more. Returns whether somebody did. */
    bool end() noexcept { return !is_over_.exchange(true, std::memory_order_acq_rel); }

  private:
    std::shared_ptr<Link> link_;
    mesh_token token_;
    std::uint32_t lane_;
    std::chrono::steady_clock::time_point deadline_;
    bool is_web_;
    std::atomic<bool> is_over_{false};
};

} // namespace detail
} // namespace mesh

#endif
