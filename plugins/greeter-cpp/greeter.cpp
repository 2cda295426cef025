/*
 * The component `greeter`, in C++17: what `plugin-sdk/cpp` is used like, and a template to start from.
 *
 * Enters: calls, web requests, events of a component that the configuration names, and the state of an earlier instance.
 * Leaves: one answer for each call, the events `greeted` and `heard`, documents, and the state. Guarantees: it may run on
 * several lanes at the same time; its thread has ended when the instance is freed.
 */
#include <mesh/plugin.hpp>

#include <condition_variable>
#include <deque>
#include <thread>

namespace {

using mesh::Answer;
using mesh::Call;
using mesh::Error;
using mesh::Json;

/* One of the arguments of `order`: a type of this component's own. */
struct Order {
    std::string item;
    std::uint32_t count = 0;
};

void from_json(const Json &json, Order &order) {
    if (!json.is_object()) {
        throw mesh::Mismatch("an object with `item` and `count`", json);
    }
    order.item = mesh::value<std::string>(json["item"]);
    order.count = mesh::value<std::uint32_t>(json["count"]);
}

/* Answers calls on a thread of its own, one after the other. */
class Clerk {
  public:
    Clerk() : thread_([this] { run(); }) {}
    ~Clerk() {
        {
            const std::lock_guard<std::mutex> guard(lock_);
            is_over_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }

    void leave(std::function<void()> work) {
        {
            const std::lock_guard<std::mutex> guard(lock_);
            work_.push_back(std::move(work));
        }
        changed_.notify_one();
    }

  private:
    std::mutex lock_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> work_;
    bool is_over_ = false;
    std::thread thread_;

    void run() {
        std::unique_lock<std::mutex> guard(lock_);
        while (!is_over_) {
            if (work_.empty()) {
                changed_.wait(guard);
                continue;
            }
            const std::function<void()> work = std::move(work_.front());
            work_.pop_front();
            guard.unlock();
            work();
            guard.lock();
        }
    }
};

class Greeter {
  public:
    static constexpr std::uint32_t SCHEMA = 1;

    explicit Greeter(const mesh::Setup &setup) : host_(setup.host), greeting_("Hello") {
        if (const Json *greeting = setup.config.find("greeting")) {
            greeting_ = mesh::value<std::string>(*greeting);
        }
        if (const Json *component = setup.config.find("listensTo")) {
            heard_ = host_.subscribe(mesh::as_component(), mesh::value<std::string>(*component), "**",
                                     [this](mesh::Event &event) { hear(event); });
        }
    }

    static void describe(mesh::Description<Greeter> &it) {
        it.method("greet", {"name"}, &Greeter::greet).says("Answers with a greeting.");
        it.method("emitGreeting", {"name"}, &Greeter::emit_greeting)
            .says("Emits the event greeted, then answers with a greeting.");
        it.method("later", {"ms"}, &Greeter::later).says("Answers after that many milliseconds.");
        it.method("onThread", {"name"}, &Greeter::on_thread).says("Answers from a thread of its own.");
        it.method("callOther", {"component", "method", "argument"}, &Greeter::call_other)
            .says("Calls a method of another component and answers as it does.");
        it.method("callWithin", {"component", "method", "argument", "ms"}, &Greeter::call_within)
            .says("As callOther, if the answer comes within that many milliseconds.");
        it.method("order", {"order", "note"}, &Greeter::order).says("Takes an order.");
        it.method("remember", {"name", "value"}, &Greeter::remember).says("Keeps a document, and answers with it.");
        it.method("divide", {"a", "b"}, [](const Greeter &, std::int64_t a, std::int64_t b) {
              if (b == 0) {
                  throw Error("division by zero").named("DivisionError").with("code", 4220);
              }
              /* The only quotient that is no number of the type. */
              return b == -1 ? mesh::results(0 - static_cast<double>(a), 0) : mesh::results(a / b, a % b);
          }).says("Answers with the quotient and the rest.");
        it.method("count", {}, [](const Greeter &self) {
              return self.calls_.load();
          }).says("Answers with the number of greetings so far.");
        it.method("whoCalls", {}, [](const Greeter &, Call &call) {
              return call.username();
          }).says("Answers with the name of the user who calls.");
        it.event("greeted").event("heard");
        it.route("page", [](Greeter &self, Call &, const mesh::HttpRequest &request) {
            return mesh::HttpResponse::text(self.greeting("you at " + request.path) + "\n").header("Cache-Control", "no-store");
        });
        it.state(SCHEMA, {SCHEMA}, &Greeter::snapshot, &Greeter::restore);
        it.health([](Greeter &self) {
            if (self.unanswered_.load() > MOST_UNANSWERED) {
                throw Error("too many requests are unanswered");
            }
        });
    }

  private:
    static constexpr std::uint32_t LONGEST_WAIT = 86400000; /* One day, in milliseconds. */
    static constexpr std::int64_t MOST_UNANSWERED = 10000;  /* With more of them, something is wrong. */

    mesh::Host host_;
    std::string greeting_;
    std::atomic<std::uint64_t> calls_{0};
    std::atomic<std::int64_t> unanswered_{0};
    mesh::Subscription heard_;
    Clerk clerk_; /* The last, so that it ends before all that its thread uses. */

    std::string greeting(const std::string &name) const { return greeting_ + ", " + name + "!"; }

    std::string greet(std::string name) {
        calls_.fetch_add(1);
        return greeting(name);
    }

    std::string emit_greeting(Call &call, std::string name) {
        host_.emit(call, "greeted", Json::object({{"name", name}}));
        return greet(std::move(name));
    }

    void later(Call &call, std::uint32_t ms) {
        if (ms > LONGEST_WAIT) {
            throw Error("ms must be at most 86400000", "TypeError");
        }
        const Answer answer = call.later();
        unanswered_.fetch_add(1);
        host_.after(call, std::chrono::milliseconds(ms), [this, answer, ms] {
            unanswered_.fetch_sub(1);
            answer.complete(Json::object({{"waited", ms}}));
        });
    }

    void on_thread(Call &call, std::string name) {
        const Answer answer = call.later();
        clerk_.leave([this, answer, name] { answer.guard([&] { answer.complete(greet(name)); }); });
    }

    void call_other(Call &call, std::string component, std::string method, Json argument) {
        const Answer answer = call.later();
        host_.call(call, component, method, mesh::arguments(argument), [answer](mesh::Reply &reply) { answer.relay(reply); });
    }

    /* Two requests of which the first that is answered cancels the other. */
    struct Race {
        mesh::Request call, timer;
    };

    void call_within(Call &call, std::string component, std::string method, Json argument, std::uint32_t ms) {
        const Answer answer = call.later();
        const auto race = std::make_shared<Race>();
        const auto timer = host_.after(call, std::chrono::milliseconds(std::min(ms, LONGEST_WAIT)), [answer, race] {
            race->call.cancel();
            answer.fail(Error("there was no answer in time", "TimeoutError"));
        });
        mesh::ScopedRequest until_called(timer); /* Where the call is refused, nobody needs the time. */
        race->call = host_.call(call, component, method, mesh::arguments(argument), [answer, race](mesh::Reply &reply) {
            race->timer.cancel();
            answer.relay(reply);
        });
        race->timer = until_called.release();
    }

    std::string order(Order order, std::optional<std::string> note) const {
        return std::to_string(order.count) + " " + order.item + " (" + note.value_or("no note") + ")";
    }

    void remember(Call &call, std::string name, Json value) {
        const Answer answer = call.later();
        host_.data_set(call, "names/" + name, Json::object({{"value", value}}), [this, answer, name](mesh::Reply &set) {
            set.value(); /* Throws when it was not kept, which fails the call. */
            host_.data_get(answer, "names/" + name, [answer](mesh::Reply &got) { answer.complete(got.value()["value"]); });
        });
    }

    void hear(mesh::Event &event) {
        /* Its own events would go round for ever. */
        if (event.key() != "heard") {
            host_.emit(mesh::as_component(), "heard", Json::object({{"key", event.key()}, {"data", event.data()}}));
        }
    }

    Json snapshot() const { return Json::array({calls_.load()}); }

    void restore(std::uint32_t, const Json &state) {
        if (!state.is_array() || state.size() != 1) {
            throw Error("this is no state of the greeter", "TypeError");
        }
        calls_.store(mesh::value<std::uint64_t>(state[0]));
    }
};

} // namespace

MESH_COMPONENT(Greeter, "greeter", "1.0.0")
