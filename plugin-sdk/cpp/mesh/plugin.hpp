/*
 * Components of a mesh in C++17, on the contract `mesh_plugin.h`. Include this file.
 *
 *     #include <mesh/plugin.hpp>
 *
 *     struct Greeter {
 *         static void describe(mesh::Description<Greeter> &it) {
 *             it.method("greet", {"name"}, [](Greeter &, std::string name) { return "Hello, " + name + "!"; });
 *         }
 *     };
 *     MESH_COMPONENT(Greeter, "greeter", "1.0.0")
 *
 * Enters: calls of the host. Leaves: completions, and requests. Guarantees: no exception crosses the contract; each
 * work item that wants a completion gets one; there is no state outside the instance, and no thread of this layer's own; what
 * the instance holds is freed before `destroy` returns.
 *
 * A component has `describe`, and a constructor that takes `const mesh::Setup &`, or nothing. With several lanes its methods run
 * on several threads at once.
 *
 * Compile with `-std=c++17 -shared -fPIC -pthread -fvisibility=hidden -Wl,--version-script=mesh/component.map`, and with
 * `-fno-gnu-unique` where the compiler knows it: component.map says why. Exceptions are needed. Link the C++ runtime as a shared
 * library: one that is linked into the component (`-static-libstdc++`) leaves its reserve of memory behind whenever a version is
 * unloaded.
 */
#ifndef MESH_PLUGIN_HPP
#define MESH_PLUGIN_HPP

#if !defined(__cplusplus) || __cplusplus < 201703L
#error "mesh/plugin.hpp needs C++17: compile with -std=c++17 or later"
#elif !defined(__cpp_exceptions)
#error "mesh/plugin.hpp needs exceptions: compile without -fno-exceptions"
#endif

#include "description.hpp"

namespace mesh {
namespace detail {

/* One instance of a component. */
template <class Self> class Instance {
  public:
    Instance(const Description<Self> &description, std::shared_ptr<Link> link, const Setup &setup)
        : description_(description), link_(std::move(link)), self_(make(setup)) {}
    Instance(const Instance &) = delete;
    Instance &operator=(const Instance &) = delete;

    ~Instance() {
        /* The captures of handlers may point to the component, and what they answer goes to the host. */
        link_->forget();
        self_.reset();
        link_->close();
        link_->forget();
    }

    /* Handles the items of an array. Those behind one that cannot be read are lost, with a line in the log: where they lie is not
     * known. An item is never referred to as a whole, since one of an older host is shorter than the struct known here. */
    void work(std::uint32_t lane, const mesh_work *item, std::size_t count) noexcept {
        for (; count > 0; count--) {
            if (!mesh_work_is_readable(item)) {
                lose(item);
                return;
            }
            handle(lane, item);
            item = mesh_work_next(item);
        }
    }

  private:
    void lose(const mesh_work *item) noexcept {
        try {
            link_->log(Level::error, "sdk",
                       "work of the host is lost: `mesh_work` has a `struct_size` of " + std::to_string(item->struct_size) +
                           ": it must be " + std::to_string(MESH_WORK_SIZE_1_0) + " or more, and a multiple of 8");
        } catch (...) {
            /* There is no memory for a line. */
        }
    }

    void handle(std::uint32_t lane, const mesh_work *item) noexcept {
        switch (item->kind) {
        case MESH_WORK_CALL:
            serve(lane, item, [this](Call &call) { run_method(call); });
            break;
        case MESH_WORK_HTTP:
            serve(lane, item, [this](Call &call) { run_route(call); });
            break;
        case MESH_WORK_REPLY:
            take_reply(item);
            break;
        case MESH_WORK_EVENT:
            hear(item);
            break;
        case MESH_WORK_CANCEL:
            if (const std::shared_ptr<PendingCall> call = link_->pending_call(item->token)) {
                call->end();
            }
            break;
        case MESH_WORK_START:
            obey(item, [this](Outcome &) { description_.run(description_.start_step(), *self_); });
            break;
        case MESH_WORK_STOP:
            obey(item, [this](Outcome &) { description_.run(description_.stop_step(), *self_); });
            break;
        case MESH_WORK_HEALTH:
            obey(item, [this](Outcome &) { description_.run(description_.health_step(), *self_); });
            break;
        case MESH_WORK_SNAPSHOT:
            obey(item, [this](Outcome &outcome) { outcome.payload = description_.snapshot(*self_); });
            break;
        case MESH_WORK_RESTORE:
            obey(item, [this, item](Outcome &) { description_.restore(*self_, item->method, std::string(view(item->payload))); });
            break;
        case MESH_WORK_QUIESCE:
            note("quiesce", description_.quiesce_step());
            break;
        case MESH_WORK_RESUME:
            note("resume", description_.resume_step());
            break;
        default:
            break;
        }
    }

    const Description<Self> &description_;
    std::shared_ptr<Link> link_;
    std::unique_ptr<Self> self_;

    static std::unique_ptr<Self> make(const Setup &setup) {
        if constexpr (std::is_constructible_v<Self, const Setup &>) {
            return std::make_unique<Self>(setup);
        } else {
            return std::make_unique<Self>();
        }
    }

    template <class Run> void serve(std::uint32_t lane, const mesh_work *item, const Run &run) noexcept {
        Call call(link_, lane, item);
        try {
            run(call);
        } catch (...) {
            const Outcome outcome = outcome_of_exception();
            call.complete(outcome.status, outcome.payload);
        }
    }

    void run_method(Call &call) {
        const mesh_work *item = call.item();
        const auto *method = description_.find_method(item->method, view(item->target));
        if (method == nullptr) {
            throw Error("there is no method " + std::string(view(item->target)));
        }
        (*method)(*self_, call);
    }

    void run_route(Call &call) {
        const Json target = Json::parse(view(call.item()->target));
        const auto text = [&target](const char *name) {
            const std::string *found = target[name].if_string();
            return found == nullptr ? std::string() : *found;
        };
        const auto *route = description_.find_route(text("route"));
        if (route == nullptr || link_->http() == nullptr) {
            throw Error("there is no route " + text("route"));
        }
        const HttpRequest request{text("method"), text("url"),       text("path"),
                                  text("query"),  text("address"),   target["headers"],
                                  std::string(view(call.item()->payload))};
        const HttpResponse response = (*route)(*self_, call, request);
        if (!call.is_answered_later()) {
            call.respond(response);
        }
    }

    void take_reply(const mesh_work *item) noexcept {
        const Waiting waiting = link_->recall(item->token);
        if (waiting.handler == nullptr) {
            return;
        }
        try {
            Reply reply(item->status, std::string(view(item->payload)));
            waiting.handler(reply);
        } catch (...) {
            if (waiting.call == nullptr || !waiting.call->is_wanted()) {
                /* That a request failed for a call which nobody waits for is no news. */
                if (waiting.call == nullptr || item->status == MESH_STATUS_OK) {
                    link_->log_exception("reply");
                }
                return;
            }
            const Outcome outcome = outcome_of_exception();
            waiting.call->complete(outcome.status, outcome.payload);
        }
    }

    void hear(const mesh_work *item) noexcept {
        const std::shared_ptr<const EventHandler> handler = link_->subscription(item->token);
        if (handler == nullptr || *handler == nullptr) {
            return;
        }
        try {
            Event event(item);
            (*handler)(event);
        } catch (...) {
            link_->log_exception("event");
        }
    }

    /* Does what is to be completed. */
    template <class Run> void obey(const mesh_work *item, const Run &run) noexcept {
        Outcome outcome;
        try {
            run(outcome);
        } catch (...) {
            outcome = outcome_of_exception();
        }
        link_->complete(item->token, outcome.status, outcome.payload);
    }

    /* Does what nobody waits for. */
    void note(const char *what, const typename Description<Self>::Step &step) noexcept {
        try {
            description_.run(step, *self_);
        } catch (...) {
            link_->log_exception(what);
        }
    }
};

/* The description of a library, and the functions that the host calls. One for each library, made when the host first asks. */
template <class Self> class Library {
  public:
    /* `create` is a function of the library itself, which knows where this value is. */
    Library(std::string_view name, std::string_view version, decltype(mesh_vtable::create) create) {
        Self::describe(description_);
        text_ = description_.text();
        component_.magic = MESH_MAGIC;
        component_.struct_size = sizeof(mesh_component);
        component_.abi_major = MESH_ABI_MAJOR;
        component_.abi_minor = MESH_ABI_MINOR;
        component_.sdk = slice("c++17, compiler " __VERSION__);
        component_.name = slice(name);
        component_.version = slice(version);
        component_.descriptor = slice(text_);
        component_.vtable = &vtable_;
        vtable_.struct_size = sizeof(mesh_vtable);
        vtable_.create = create;
        vtable_.work = work;
        vtable_.destroy = destroy;
    }
    Library(const Library &) = delete;
    Library &operator=(const Library &) = delete;

    const mesh_component *component() const noexcept { return &component_; }

    /* The body of `create`. */
    std::int32_t create(const mesh_host *host, mesh_slice info, mesh_slice config, void **instance) const noexcept {
        if (!mesh_has_field(host->struct_size, mesh_host, fail) || host->abi_major != MESH_ABI_MAJOR) {
            return MESH_STATUS_ERROR;
        }
        if (host->struct_size < MESH_HOST_SIZE_1_0) {
            host->fail(host->context, mesh_text("`struct_size` of `mesh_host` is below that of ABI 1.0"));
            return MESH_STATUS_ERROR;
        }
        try {
            const auto link = std::make_shared<Link>(host);
            if (description_.has_routes()) {
                link->serve_web();
            }
            try {
                const Setup setup{Host(link), parsed(info), parsed(config)};
                link->set_log_level(setup.info["logLevel"]);
                *instance = new Instance<Self>(description_, link, setup);
                return MESH_STATUS_OK;
            } catch (...) {
                link->close();
                link->forget();
                throw;
            }
        } catch (const std::exception &error) {
            host->fail(host->context, slice(error.what()));
        } catch (...) {
            host->fail(host->context, mesh_text("something was thrown that is no exception"));
        }
        return MESH_STATUS_ERROR;
    }

  private:
    Description<Self> description_;
    std::string text_;
    mesh_vtable vtable_{};
    mesh_component component_{};

    static Json parsed(mesh_slice text) { return text.length == 0 ? Json::object() : Json::parse(view(text)); }

    static void work(void *instance, std::uint32_t lane, const mesh_work *items, std::size_t count) noexcept {
        static_cast<Instance<Self> *>(instance)->work(lane, items, count);
    }

    static void destroy(void *instance) noexcept { delete static_cast<Instance<Self> *>(instance); }
};

} // namespace detail
} // namespace mesh

/* Makes a library of the component `Type`. `name` and `version` are literals. To be written once, outside of all namespaces. A
 * description that throws makes a library without one, which the host refuses. */
#define MESH_COMPONENT(Type, name, version)                                                                                  \
    namespace {                                                                                                              \
    std::int32_t mesh_create(const mesh_host *host, mesh_slice info, mesh_slice config, void **instance) noexcept;           \
    ::mesh::detail::Library<Type> &mesh_library() {                                                                          \
        static ::mesh::detail::Library<Type> library("" name "", "" version "", mesh_create);                                \
        return library;                                                                                                      \
    }                                                                                                                        \
    std::int32_t mesh_create(const mesh_host *host, mesh_slice info, mesh_slice config, void **instance) noexcept {          \
        return mesh_library().create(host, info, config, instance);                                                          \
    }                                                                                                                        \
    }                                                                                                                        \
    extern "C" MESH_EXPORT const mesh_component *mesh_component_entry(void) {                                                \
        try {                                                                                                                \
            return mesh_library().component();                                                                               \
        } catch (...) {                                                                                                      \
            return nullptr;                                                                                                  \
        }                                                                                                                    \
    }

#endif
