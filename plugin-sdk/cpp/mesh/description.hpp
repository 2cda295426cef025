/*
 * The description of a component: its methods, events, routes and state, and the functions behind them.
 *
 * Enters: lambdas and member functions. Leaves: the descriptor in JSON, and for each of them one function of the same
 * form. Guarantees: a method is called with arguments of its own types or not at all; nothing here changes once it is made.
 */
#ifndef MESH_DESCRIPTION_HPP
#define MESH_DESCRIPTION_HPP

#include "host.hpp"

namespace mesh {

namespace detail {

/* The parameters and the result of a function. */
template <class Result, class... Parameters> struct Signature {
    using result = Result;
    using parameters = std::tuple<std::decay_t<Parameters>...>;
};

template <class Function> struct SignatureOf : SignatureOf<decltype(&Function::operator())> {};
template <class Result, class Owner, class... Parameters>
struct SignatureOf<Result (Owner::*)(Parameters...) const> : Signature<Result, Parameters...> {};
template <class Result, class Owner, class... Parameters>
struct SignatureOf<Result (Owner::*)(Parameters...)> : Signature<Result, Parameters...> {};
template <class Result, class Owner, class... Parameters>
struct SignatureOf<Result (Owner::*)(Parameters...) const noexcept> : Signature<Result, Parameters...> {};
template <class Result, class Owner, class... Parameters>
struct SignatureOf<Result (Owner::*)(Parameters...) noexcept> : Signature<Result, Parameters...> {};
template <class Result, class... Parameters> struct SignatureOf<Result (*)(Parameters...)> : Signature<Result, Parameters...> {};

/* How many of the first parameters are the component and the call. */
template <class Self, class Tuple> struct Leading : std::integral_constant<std::size_t, 0> {};
template <class Self, class... Rest>
struct Leading<Self, std::tuple<Self, Call, Rest...>> : std::integral_constant<std::size_t, 2> {};
template <class Self, class... Rest> struct Leading<Self, std::tuple<Self, Rest...>> : std::integral_constant<std::size_t, 1> {};
template <class Self, class... Rest> struct Leading<Self, std::tuple<Call, Rest...>> : std::integral_constant<std::size_t, 1> {};

template <std::size_t First, class Tuple> struct Behind;
template <std::size_t First, class Head, class... Rest>
struct Behind<First, std::tuple<Head, Rest...>>
    : std::conditional_t<First == 0, std::common_type<std::tuple<Head, Rest...>>, Behind<First - 1, std::tuple<Rest...>>> {};
template <> struct Behind<0, std::tuple<>> {
    using type = std::tuple<>;
};

} // namespace detail

/* The offer of the component of type `Self`. `Self::describe` fills it in, once for each library that is loaded. */
template <class Self> class Description {
  public:
    using Method = std::function<void(Self &, Call &)>;
    using Route = std::function<HttpResponse(Self &, Call &, const HttpRequest &)>;
    using Step = std::function<void(Self &)>;

    /* A method. Its function takes `Self &`, `Call &` where it wants, and then one argument for each parameter that is named
     * here. A member function takes the last two. A missing argument is null; further ones are left out of account. Its
     * return value is the result: nothing is null, `mesh::Results` are several or none. */
    template <class Function>
    Description &method(const std::string &name, const std::vector<std::string> &parameters, Function function) {
        using Own = std::decay_t<Function>;
        using All = typename detail::SignatureOf<Own>::parameters;
        using Arguments = typename detail::Behind<detail::Leading<Self, All>::value, All>::type;
        if (parameters.size() != std::tuple_size_v<Arguments>) {
            throw std::logic_error("the method " + name + " names another number of parameters than its function takes");
        }
        Json listed = Json::array();
        for (const std::string &parameter : parameters) {
            listed.push(Json::object({{"name", parameter}}));
        }
        listed.push(Json::object({{"name", "callback"}}));
        methods_.push(Json::object({{"name", name}, {"parameters", listed}}));
        names_.push_back(name);
        functions_.push_back([function, name, parameters](Self &self, Call &call) {
            const Json given = given_arguments(call);
            serve<Arguments>(function, self, call, [&](std::size_t index) {
                return Place{given[index], name, parameters[index]};
            }, std::make_index_sequence<std::tuple_size_v<Arguments>>());
        });
        return *this;
    }

    /* Says in words what the method before it does. */
    Description &says(std::string description) {
        Json::Array &methods = *methods_.if_array();
        if (methods.empty()) {
            throw std::logic_error("a description stands before the first method");
        }
        methods.back().set("description", std::move(description));
        return *this;
    }

    /* An event that it emits, for readers: others may be emitted, too. */
    Description &event(std::string key) {
        events_.set(std::move(key), Json::object());
        return *this;
    }

    /* A web route: its function takes `Self &`, `Call &` and `const HttpRequest &`, and returns a `HttpResponse`. */
    Description &route(const std::string &name, Route function) {
        if (!routes_.find(name)) {
            routes_.set(name, Json::object({{"type", "mware"}}));
            route_functions_.push_back(std::move(function));
        }
        return *this;
    }

    /* State that goes along to the next version: `snapshot` returns it as bytes or as Json, `restore` takes it with the number of
     * the schema that it was written in. Bytes that are no state of its own must throw, and change nothing. */
    template <class Snapshot, class Restore>
    Description &state(std::uint32_t schema, const std::vector<std::uint32_t> &restores, Snapshot snapshot, Restore restore) {
        state_ = Json::object({{"schema", schema}, {"restores", json(restores)}});
        schemas_ = restores;
        snapshot_ = [snapshot](Self &self) -> std::string {
            if constexpr (std::is_same_v<std::decay_t<std::invoke_result_t<const Snapshot &, Self &>>, Json>) {
                return std::invoke(snapshot, self).text();
            } else {
                return std::invoke(snapshot, self);
            }
        };
        restore_ = [restore](Self &self, std::uint32_t written_in, std::string bytes) {
            /* A text can become a Json, but no Json a text. */
            if constexpr (std::is_invocable_v<const Restore &, Self &, std::uint32_t, Json>) {
                std::invoke(restore, self, written_in, Json::parse(bytes));
            } else {
                std::invoke(restore, self, written_in, std::move(bytes));
            }
        };
        return *this;
    }

    /* Asked whether it can serve: throws when not. */
    Description &health(Step function) { return set(health_, std::move(function)); }
    /* Gets ready; calls come after that. The text that it throws is shown as the reason why it did not start. */
    Description &start(Step function) { return set(start_, std::move(function)); }
    /* Finishes; no call comes after that. */
    Description &stop(Step function) { return set(stop_, std::move(function)); }
    /* Another version has taken over: pauses what it does by itself. And serves again. */
    Description &quiesce(Step function) { return set(quiesce_, std::move(function)); }
    Description &resume(Step function) { return set(resume_, std::move(function)); }

    /* The descriptor. */
    std::string text() const {
        Json all = Json::object({{"methods", methods_}, {"events", events_}});
        if (routes_.size() > 0) {
            all.set("routes", routes_);
        }
        if (!state_.is_null()) {
            all.set("state", state_);
        }
        if (health_) {
            all.set("health", true);
        }
        return all.text();
    }

    bool has_routes() const noexcept { return !route_functions_.empty(); }

    /* The function of a method, by its position, else by its name; null where there is none. */
    const Method *find_method(std::uint32_t position, std::string_view name) const noexcept {
        if (position < names_.size() && names_[position] == name) {
            return &functions_[position];
        }
        for (std::size_t index = 0; index < names_.size(); index++) {
            if (names_[index] == name) {
                return &functions_[index];
            }
        }
        return nullptr;
    }

    /* The function of a route by its name; null where there is none. */
    const Route *find_route(std::string_view name) const noexcept {
        const Json::Object &routes = *routes_.if_object();
        for (std::size_t index = 0; index < routes.size(); index++) {
            if (routes[index].first == name) {
                return &route_functions_[index];
            }
        }
        return nullptr;
    }

    std::string snapshot(Self &self) const {
        if (!snapshot_) {
            throw Error("the component has no state");
        }
        return snapshot_(self);
    }

    void restore(Self &self, std::uint32_t schema, std::string bytes) const {
        if (std::find(schemas_.begin(), schemas_.end(), schema) == schemas_.end()) {
            throw Error("the component reads no state of schema " + std::to_string(schema), "TypeError");
        }
        restore_(self, schema, std::move(bytes));
    }

    static void run(const Step &step, Self &self) {
        if (step) {
            step(self);
        }
    }
    const Step &health_step() const noexcept { return health_; }
    const Step &start_step() const noexcept { return start_; }
    const Step &stop_step() const noexcept { return stop_; }
    const Step &quiesce_step() const noexcept { return quiesce_; }
    const Step &resume_step() const noexcept { return resume_; }

  private:
    Json methods_ = Json::array(), events_ = Json::object(), routes_ = Json::object(), state_;
    std::vector<std::string> names_;
    std::vector<Method> functions_;
    std::vector<Route> route_functions_;
    std::vector<std::uint32_t> schemas_;
    std::function<std::string(Self &)> snapshot_;
    std::function<void(Self &, std::uint32_t, std::string)> restore_;
    Step health_, start_, stop_, quiesce_, resume_;

    /* One argument, and what it is called in errors. */
    struct Place {
        const Json &json;
        const std::string &method, &parameter;
    };

    Description &set(Step &place, Step step) {
        place = std::move(step);
        return *this;
    }

    static Json given_arguments(const Call &call) {
        try {
            Json given = Json::parse(view(call.item()->payload));
            if (given.is_array()) {
                return given;
            }
        } catch (const JsonError &error) {
            throw Error(std::string("the arguments are not JSON: ") + error.what(), "TypeError");
        }
        throw Error("the arguments are not an array", "TypeError");
    }

    template <class T> static T argument(const Place &place) {
        try {
            return value<T>(place.json);
        } catch (const Mismatch &mismatch) {
            throw Error(place.method + ": wrong argument for parameter `" + place.parameter + "`: " + mismatch.what(),
                        "TypeError");
        }
    }

    template <class Arguments, class Function, class At, std::size_t... Index>
    static void serve(const Function &function, Self &self, Call &call, const At &at, std::index_sequence<Index...>) {
        /* Braces, so that the first argument is read first. */
        Arguments arguments{argument<std::tuple_element_t<Index, Arguments>>(at(Index))...};
        (void)at;
        if constexpr (std::is_invocable_v<const Function &, Self &, Call &, std::tuple_element_t<Index, Arguments>...>) {
            answer(call, [&]() { return std::invoke(function, self, call, std::move(std::get<Index>(arguments))...); });
        } else {
            static_assert(std::is_invocable_v<const Function &, Self &, std::tuple_element_t<Index, Arguments>...>,
                          "a method takes the component first, then the call where it wants, then its arguments by value");
            answer(call, [&]() { return std::invoke(function, self, std::move(std::get<Index>(arguments))...); });
        }
    }

    template <class Run> static void answer(Call &call, const Run &run) {
        using Result = std::decay_t<decltype(run())>;
        if constexpr (std::is_void_v<Result>) {
            run();
            if (!call.is_answered_later()) {
                call.complete(MESH_STATUS_OK, "[null]");
            }
        } else {
            Result result = run();
            if (call.is_answered_later()) {
                return;
            }
            if constexpr (std::is_same_v<Result, Results>) {
                call.complete(MESH_STATUS_OK, result.array.text());
            } else {
                call.complete(MESH_STATUS_OK, mesh::arguments(std::move(result)).text());
            }
        }
    }
};

} // namespace mesh

#endif
