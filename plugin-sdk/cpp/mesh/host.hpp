/*
 * The requests of a component to its host: events, calls of other components, its data, time, lines in the log.
 *
 * Enters: requests, each with the one for whom it is made. Leaves: the host's replies, on a lane, and events.
 * Guarantees: may be used on any thread; a handler runs at most once for a request, on the lane of the call that the request is
 * made for, or on lane 0; what a handler throws fails the call that it is made for, else it is a line in the log.
 */
#ifndef MESH_HOST_HPP
#define MESH_HOST_HPP

#include "call.hpp"

namespace mesh {

/* For whom something is asked of the host: for the caller of a call, or for the component itself. Where the mesh delegates
 * authority, what is asked for a caller is asked with the caller's rights. */
class Requester {
  public:
    Requester(Call &call) noexcept : call_(&call) {}
    Requester(const Answer &answer) noexcept : pending_(answer.pending()) {}

    /* The component on its own account. */
    static Requester component() noexcept { return Requester(); }

    bool is_component() const noexcept { return call_ == nullptr && pending_ == nullptr; }

    /* The call; null for the component. */
    std::shared_ptr<detail::PendingCall> pending() const { return call_ != nullptr ? call_->pending() : pending_; }

    mesh_token token() const noexcept { return call_ != nullptr ? call_->token() : pending_ != nullptr ? pending_->token() : 0; }
    std::uint32_t lane() const noexcept { return call_ != nullptr ? call_->lane() : pending_ != nullptr ? pending_->lane() : 0; }

  private:
    Requester() noexcept = default;
    Call *call_ = nullptr;
    std::shared_ptr<detail::PendingCall> pending_;
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

  private:
    const mesh_work *item_;
};

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
        if (link_->is_open() && link_->events() != nullptr) {
            link_->events()->unsubscribe(link_->context(), token_);
        }
        link_ = nullptr;
    }

  private:
    std::shared_ptr<detail::Link> link_;
    mesh_token token_ = 0;
};

/* A request that was made. May be dropped: the request goes on. */
class Request {
  public:
    Request(std::weak_ptr<detail::Link> link, mesh_token token) noexcept : link_(std::move(link)), token_(token) {}

    /* Its handler will not run any more, but for one that runs at this moment. Returns whether it had still to run. */
    bool cancel() const noexcept {
        const std::shared_ptr<detail::Link> link = link_.lock();
        return link != nullptr && link->recall(token_).handler != nullptr;
    }

  private:
    std::weak_ptr<detail::Link> link_;
    mesh_token token_;
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

/* The host, as one instance sees it. Copies are the same. Functions throw `mesh::Error` where the host lacks the extension. */
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
        const mesh_events_extension *events = required(link_->events(), "events");
        const std::string text = data.text(), chosen = options.text();
        if (link_->is_open()) {
            const Acting acting(*link_, requester);
            events->emit(link_->context(), slice(key), slice(text), slice(chosen));
        }
    }

    /* Hears the events `key` of a component, with `*` and `**`, of versions in a range of npm, on a lane. */
    [[nodiscard]] Subscription subscribe(const Requester &requester, std::string_view component, std::string_view key,
                                         detail::EventHandler handler, std::string_view range = {}) const {
        const mesh_events_extension *events = required(link_->events(), "events");
        const mesh_token token = link_->next_token();
        link_->add_subscription(token, std::make_shared<const detail::EventHandler>(std::move(handler)));
        Subscription subscription(link_, token);
        if (link_->is_open()) {
            const Acting acting(*link_, requester);
            events->subscribe(link_->context(), requester.lane(), token, slice(component), slice(key), slice(range));
        }
        return subscription;
    }

    /* Calls a method of a component with an array of arguments. */
    Request call(const Requester &requester, std::string_view component, std::string_view method, const Json &arguments,
                 Handler handler, const CallOptions &options = {}) const {
        const mesh_exchange_extension *exchange = required(link_->exchange(), "calls of other components");
        const std::string text = arguments.text();
        const std::uint32_t timeout = milliseconds(requester, options.timeout);
        return ask(requester, std::move(handler), [&](mesh_token token) {
            exchange->call(link_->context(), requester.lane(), token, slice(component), slice(method), slice(options.range),
                           slice(text), timeout);
        });
    }

    /* Stores a document of the component. The reply's value is the document with its `_meta`. */
    Request data_set(const Requester &requester, std::string_view path, const Json &value, Handler handler = {}) const {
        const mesh_data_extension *data = required(link_->data(), "data");
        const std::string text = value.text();
        return ask(requester, std::move(handler), [&](mesh_token token) {
            data->set(link_->context(), requester.lane(), token, slice(path), slice(text), mesh_empty());
        });
    }

    /* Reads a document, null where there is none; for a path with wildcards an array of documents. */
    Request data_get(const Requester &requester, std::string_view path, Handler handler) const {
        const mesh_data_extension *data = required(link_->data(), "data");
        return ask(requester, std::move(handler), [&](mesh_token token) {
            data->get(link_->context(), requester.lane(), token, slice(path), mesh_empty());
        });
    }

    /* Removes documents. The reply's value is `{"removed":n}`. */
    Request data_remove(const Requester &requester, std::string_view path, Handler handler = {}) const {
        const mesh_data_extension *data = required(link_->data(), "data");
        return ask(requester, std::move(handler), [&](mesh_token token) {
            data->remove(link_->context(), requester.lane(), token, slice(path), mesh_empty());
        });
    }

    /* Runs a handler after a while, without a thread. */
    Request after(const Requester &requester, std::chrono::milliseconds wait, std::function<void()> handler) const {
        const mesh_timer_extension *timer = required(link_->timer(), "timer");
        const auto length = static_cast<std::uint64_t>(std::max<std::chrono::milliseconds::rep>(wait.count(), 0));
        auto run = [handler = std::move(handler)](Reply &) {
            if (handler) {
                handler();
            }
        };
        return ask(requester, std::move(run), [&](mesh_token token) {
            timer->after(link_->context(), requester.lane(), token, length);
        });
    }

    /* Whether callers' rights go along with what is asked for them. */
    bool delegates() const noexcept { return link_->delegation() != nullptr; }

  private:
    std::shared_ptr<detail::Link> link_;

    /* While it lives, this thread asks with the rights of the requester. */
    class Acting {
      public:
        Acting(const detail::Link &link, const Requester &requester) noexcept : link_(link), acts_(!requester.is_component()) {
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

    template <class Extension> static const Extension *required(const Extension *extension, const char *what) {
        if (extension == nullptr) {
            throw Error(std::string("this host offers no ") + what);
        }
        return extension;
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
        if (link_->is_open()) {
            if (handler != nullptr) {
                link_->remember(token, {std::move(handler), requester.pending()});
            }
            const Acting acting(*link_, requester);
            make(token);
        }
        return Request(link_, token);
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
