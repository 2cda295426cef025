/*
 * The requests of a component to its host: events, calls of other components, its data, time, lines in the log.
 *
 * Enters: requests, each with the one for whom it is made. Leaves: the host's replies, on a lane, and events; an error at once
 * where the host does not take a request.
 * Guarantees: may be used on any thread; a handler runs at most once for a request, on the lane of the call that the request is
 * made for, or on lane 0; what a handler throws fails the call that it is made for, else it is a line in the log.
 */
#ifndef MESH_HOST_HPP
#define MESH_HOST_HPP

#include "call.hpp"

namespace mesh {

/* For whom something is asked of the host: for the caller of a call, or for the component itself. Where the mesh delegates
 * authority, what is asked for a caller is asked with the caller's rights. */
class Event;

class Requester {
  public:
    Requester(Call &call) noexcept : call_(&call) {}
    Requester(const Answer &answer) noexcept : pending_(answer.pending()) {}
    /* For the one for whom the event's subscription was made. */
    inline Requester(const Event &event) noexcept;

    /* The component on its own account. */
    static Requester component() noexcept { return Requester(); }

    bool is_component() const noexcept { return call_ == nullptr && pending_ == nullptr && event_ == 0; }

    /* The call; null for the component. */
    std::shared_ptr<detail::PendingCall> pending() const { return call_ != nullptr ? call_->pending() : pending_; }

    mesh_token token() const noexcept { return call_ != nullptr ? call_->token() : pending_ != nullptr ? pending_->token() : 0; }
    std::uint32_t lane() const noexcept { return call_ != nullptr ? call_->lane() : pending_ != nullptr ? pending_->lane() : 0; }

    /* The token of the event's subscription, or 0. */
    mesh_token event() const noexcept { return event_; }

  private:
    Requester() noexcept = default;
    Call *call_ = nullptr;
    std::shared_ptr<detail::PendingCall> pending_;
    mesh_token event_ = 0;
};

/* The component itself, as requester. */
inline Requester as_component() noexcept {
    return Requester::component();
}

/* An event of a component, as a subscription hears it. */
class Event {
  public:
    explicit Event(const mesh_work *item) noexcept : item_(item) {}

    /* Such as `/_events/<domain>/<component>/<key>`. */
    std::string_view path() const noexcept { return view(item_->target); }

    /* The part behind the component's name. */
    std::string_view key() const noexcept {
        std::string_view rest = path();
        for (int segment = 0; segment < 4; segment++) {
            const std::size_t slash = rest.find('/');
            if (slash == std::string_view::npos) {
                return rest;
            }
            rest.remove_prefix(slash + 1);
        }
        return rest;
    }

    Json data() const { return item_->payload.length == 0 ? Json() : Json::parse(view(item_->payload)); }
    Json meta() const { return item_->origin.length == 0 ? Json() : Json::parse(view(item_->origin)); }

    /* The token of the subscription. */
    mesh_token token() const noexcept { return item_->token; }

  private:
    const mesh_work *item_;
};

inline Requester::Requester(const Event &event) noexcept : event_(event.token()) {}

/* A subscription. It ends with this object, or with the instance. */
class Subscription {
  public:
    Subscription() noexcept = default;
    Subscription(std::shared_ptr<detail::Link> link, mesh_token token) noexcept : link_(std::move(link)), token_(token) {}
    Subscription(Subscription &&other) noexcept : link_(std::move(other.link_)), token_(std::exchange(other.token_, 0)) {}
    Subscription &operator=(Subscription &&other) noexcept {
        if (this != &other) {
            end();
            link_ = std::move(other.link_);
            token_ = std::exchange(other.token_, 0);
        }
        return *this;
    }
    ~Subscription() { end(); }

    /* Ends it. An event that is on its way is not heard any more, but for one that is being heard at this moment. */
    void end() noexcept {
        if (link_ == nullptr) {
            return;
        }
        const std::shared_ptr<const detail::EventHandler> handler = link_->remove_subscription(token_);
        link_->unsubscribe(token_);
        link_ = nullptr;
    }

  private:
    std::shared_ptr<detail::Link> link_;
    mesh_token token_ = 0;
};

/* A request that was made. May be dropped: the request goes on. `ScopedRequest` cancels it. */
class Request {
  public:
    Request() noexcept = default;
    Request(std::weak_ptr<detail::Link> link, mesh_token token, mesh_token id) noexcept
        : link_(std::move(link)), token_(token), id_(id) {}

    /* Its handler will not run any more, but for one that runs at this moment. The host stops what it does for it, where it can:
     * a called component learns that nobody waits. Returns whether the handler had still to run. */
    bool cancel() const noexcept {
        const std::shared_ptr<detail::Link> link = link_.lock();
        if (link == nullptr) {
            return false;
        }
        const bool had_to_run = link->recall(token_).handler != nullptr;
        link->cancel(id_);
        return had_to_run;
    }

  private:
    std::weak_ptr<detail::Link> link_;
    mesh_token token_ = 0;
    mesh_token id_ = 0; /* The number that cancels it; 0 where the host cannot. */
};

/* A request that is cancelled when this object ends, unless it was answered. */
class ScopedRequest {
  public:
    ScopedRequest() noexcept = default;
    ScopedRequest(Request request) noexcept : request_(std::move(request)) {}
    ScopedRequest(ScopedRequest &&other) noexcept : request_(std::exchange(other.request_, Request())) {}
    ScopedRequest &operator=(ScopedRequest &&other) noexcept {
        if (this != &other) {
            request_.cancel();
            request_ = std::exchange(other.request_, Request());
        }
        return *this;
    }
    ~ScopedRequest() { request_.cancel(); }

    /* Cancels it now. */
    bool cancel() const noexcept { return request_.cancel(); }

    /* Lets it go on. */
    Request release() noexcept { return std::exchange(request_, Request()); }

  private:
    Request request_;
};

/* How an event is published. */
class EmitOptions {
  public:
    /* Keeps it for those who ask later. */
    EmitOptions &store() {
        json_.set("noStore", false);
        return *this;
    }
    /* Sends it to these sessions only. */
    EmitOptions &target_clients(const std::vector<std::string> &sessions) {
        json_.set("targetClients", mesh::json(sessions));
        return *this;
    }
    std::string text() const { return json_.size() == 0 ? std::string() : json_.text(); }

  private:
    Json json_ = Json::object();
};

/* How another component is called. */
struct CallOptions {
    std::string range;                     /* An npm version range; empty for any version. */
    std::chrono::milliseconds timeout{0};  /* Zero: what is left of the call that this is made for, else the host's limit. */
};

/* The host, as one instance sees it. Copies are the same. Functions throw `mesh::Error` where the host lacks the extension, or does
 * not take the request: its call is over, a name is empty, a range is none. */
class Host {
  public:
    using Handler = std::function<void(Reply &)>;

    explicit Host(std::shared_ptr<detail::Link> link) noexcept : link_(std::move(link)) {}

    /* Whether the host writes lines of this level. Ask before you put a line together that few want. */
    bool wants(Level level) const noexcept { return link_->wants(level); }

    /* Writes to the host's log. `part` names the part of the component. A line of a level that the host does not want is dropped. */
    void log(Level level, std::string_view message, std::string_view part = {}) const noexcept {
        link_->log(level, part, message);
    }

    /* Publishes an event. Those of one thread are delivered in their order, and before the answer of a call that is given
     * afterwards on the same thread. */
    void emit(const Requester &requester, std::string_view key, const Json &data, const EmitOptions &options = {}) const {
        const auto [named, first] = either(link_->named().events, link_->events(), "events");
        const std::string text = data.text(), chosen = options.text();
        if (!link_->is_open()) {
            return;
        }
        if (named != nullptr) {
            const mesh_request request = described(requester, 0);
            check(named->emit(link_->context(), &request, slice(key), slice(text), slice(chosen)));
        } else {
            const Acting acting(*link_, requester);
            first->emit(link_->context(), slice(key), slice(text), slice(chosen));
        }
    }

    /* Hears the events `key` of a component, with `*` and `**`, of versions in a range of npm, on a lane. */
    [[nodiscard]] Subscription subscribe(const Requester &requester, std::string_view component, std::string_view key,
                                         detail::EventHandler handler, std::string_view range = {}) const {
        const auto [named, first] = either(link_->named().events, link_->events(), "events");
        const mesh_token token = link_->next_token();
        link_->add_subscription(token, std::make_shared<const detail::EventHandler>(std::move(handler)));
        Subscription subscription(link_, token);
        if (link_->is_open() && named != nullptr) {
            const mesh_request request = described(requester, token);
            check(named->subscribe(link_->context(), &request, slice(component), slice(key), slice(range)));
        } else if (link_->is_open()) {
            const Acting acting(*link_, requester);
            first->subscribe(link_->context(), requester.lane(), token, slice(component), slice(key), slice(range));
        }
        return subscription;
    }

    /* Calls a method of a component with an array of arguments. */
    Request call(const Requester &requester, std::string_view component, std::string_view method, const Json &arguments,
                 Handler handler, const CallOptions &options = {}) const {
        const auto [named, first] = either(link_->named().exchange, link_->exchange(), "calls of other components");
        const std::string text = arguments.text();
        /* A host that knows the call knows how long it may take. */
        const std::uint32_t timeout =
            milliseconds(named != nullptr ? Requester::component() : requester, options.timeout);
        return ask(requester, std::move(handler), [&, named = named, first = first](const mesh_request &request, mesh_token *id) {
            if (named != nullptr) {
                return named->call(link_->context(), &request, slice(component), slice(method), slice(options.range), slice(text),
                                   timeout, id);
            }
            const Acting acting(*link_, requester);
            first->call(link_->context(), request.lane, request.token, slice(component), slice(method), slice(options.range),
                        slice(text), timeout);
            return MESH_REQUEST_TAKEN;
        });
    }

    /* Stores a document of the component. The reply's value is the document with its `_meta`. */
    Request data_set(const Requester &requester, std::string_view path, const Json &value, Handler handler = {}) const {
        const auto [named, first] = either(link_->named().data, link_->data(), "data");
        const std::string text = value.text();
        return ask(requester, std::move(handler), [&, named = named, first = first](const mesh_request &request, mesh_token *id) {
            if (named != nullptr) {
                return named->set(link_->context(), &request, slice(path), slice(text), mesh_empty(), id);
            }
            const Acting acting(*link_, requester);
            first->set(link_->context(), request.lane, request.token, slice(path), slice(text), mesh_empty());
            return MESH_REQUEST_TAKEN;
        });
    }

    /* Reads a document, null where there is none; for a path with wildcards an array of documents. */
    Request data_get(const Requester &requester, std::string_view path, Handler handler) const {
        const auto [named, first] = either(link_->named().data, link_->data(), "data");
        return ask(requester, std::move(handler), [&, named = named, first = first](const mesh_request &request, mesh_token *id) {
            if (named != nullptr) {
                return named->get(link_->context(), &request, slice(path), mesh_empty(), id);
            }
            const Acting acting(*link_, requester);
            first->get(link_->context(), request.lane, request.token, slice(path), mesh_empty());
            return MESH_REQUEST_TAKEN;
        });
    }

    /* Removes documents. The reply's value is `{"removed":n}`. */
    Request data_remove(const Requester &requester, std::string_view path, Handler handler = {}) const {
        const auto [named, first] = either(link_->named().data, link_->data(), "data");
        return ask(requester, std::move(handler), [&, named = named, first = first](const mesh_request &request, mesh_token *id) {
            if (named != nullptr) {
                return named->remove(link_->context(), &request, slice(path), mesh_empty(), id);
            }
            const Acting acting(*link_, requester);
            first->remove(link_->context(), request.lane, request.token, slice(path), mesh_empty());
            return MESH_REQUEST_TAKEN;
        });
    }

    /* Runs a handler after a while, without a thread. */
    Request after(const Requester &requester, std::chrono::milliseconds wait, std::function<void()> handler) const {
        const auto [named, first] = either(link_->named().timer, link_->timer(), "timer");
        const auto length = static_cast<std::uint64_t>(std::max<std::chrono::milliseconds::rep>(wait.count(), 0));
        auto run = [handler = std::move(handler)](Reply &) {
            if (handler) {
                handler();
            }
        };
        return ask(requester, std::move(run), [&, named = named, first = first](const mesh_request &request, mesh_token *id) {
            if (named != nullptr) {
                return named->after(link_->context(), &request, length, id);
            }
            first->after(link_->context(), request.lane, request.token, length);
            return MESH_REQUEST_TAKEN;
        });
    }

    /* Whether callers' rights go along with what is asked for them. */
    bool delegates() const noexcept { return link_->delegation() != nullptr; }

  private:
    std::shared_ptr<detail::Link> link_;

    /* For hosts that know for whom a thread asks, and not for whom a request is made: while it lives, this thread asks with the
     * rights of the requester. */
    class Acting {
      public:
        Acting(const detail::Link &link, const Requester &requester) noexcept : link_(link), acts_(requester.token() != 0) {
            if (acts_ && link_.delegation() != nullptr) {
                link_.delegation()->act_for(link_.context(), requester.token());
            }
        }
        Acting(const Acting &) = delete;
        Acting &operator=(const Acting &) = delete;
        ~Acting() {
            if (acts_ && link_.delegation() != nullptr) {
                link_.delegation()->act_for(link_.context(), 0);
            }
        }

      private:
        const detail::Link &link_;
        bool acts_;
    };

    /* The second version of an extension, or the first. */
    template <class Second, class First>
    static std::pair<const Second *, const First *> either(const Second *second, const First *first, const char *what) {
        if (second == nullptr && first == nullptr) {
            throw Error(std::string("this host offers no ") + what);
        }
        return {second, first};
    }

    static mesh_request described(const Requester &requester, mesh_token token) noexcept {
        mesh_request request{};
        request.struct_size = sizeof(mesh_request);
        request.lane = requester.lane();
        request.call = requester.token();
        request.event = requester.event();
        request.token = token;
        return request;
    }

    /* Throws what is wrong with a request that the host has not taken. */
    static void check(std::int32_t status) {
        switch (status) {
        case MESH_REQUEST_TAKEN:
            return;
        case MESH_REQUEST_NO_CALL:
            throw Error("unauthorized: the call is over, and what the component does on its own account, it asks for with "
                        "as_component()",
                        "AccessDenied");
        case MESH_REQUEST_DENIED:
            throw Error("unauthorized", "AccessDenied");
        case MESH_REQUEST_BAD_NAME:
            throw Error("a name, key or path must not be empty", "TypeError");
        case MESH_REQUEST_BAD_RANGE:
            throw Error("the range is no npm version range, such as ^1.2.0", "TypeError");
        case MESH_REQUEST_BAD_JSON:
            throw Error("arguments must be a JSON array, and values JSON", "TypeError");
        case MESH_REQUEST_ENDED:
            throw Error("the component was stopped");
        case MESH_REQUEST_FULL:
            throw Error("the component has too many requests that are not answered");
        default:
            throw Error("the host has not taken the request (status " + std::to_string(status) + ")");
        }
    }

    static std::uint32_t milliseconds(const Requester &requester, std::chrono::milliseconds timeout) {
        std::chrono::milliseconds::rep count = timeout.count();
        if (count <= 0) {
            const std::shared_ptr<detail::PendingCall> call = requester.pending();
            if (call == nullptr) {
                return 0;
            }
            const auto left = call->deadline() - std::chrono::steady_clock::now();
            count = std::max<std::chrono::milliseconds::rep>(
                std::chrono::duration_cast<std::chrono::milliseconds>(left).count(), 1);
        }
        return static_cast<std::uint32_t>(std::min<std::chrono::milliseconds::rep>(count, UINT32_MAX));
    }

    template <class Make> Request ask(const Requester &requester, Handler handler, const Make &make) const {
        const mesh_token token = link_->next_token();
        mesh_token id = 0;
        if (link_->is_open()) {
            if (handler != nullptr) {
                link_->remember(token, {std::move(handler), requester.pending()});
            }
            const mesh_request request = described(requester, token);
            const std::int32_t status = make(request, &id);
            if (status != MESH_REQUEST_TAKEN) {
                /* Freed before the error is thrown, since nobody answers. */
                link_->recall(token);
                check(status);
            }
        }
        return Request(link_, token, id);
    }
};

/* The facts that a component learns when it is made. */
struct Setup {
    Host host;
    Json info;   /* `mesh`, `domain`, `component`, `version`, `lanes`, `logLevel`, `library`, `directory`. */
    Json config; /* The object `config` of mesh.toml. */
};

} // namespace mesh

#endif
