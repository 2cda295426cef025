/*
 * Tests the greeter, and the layer for C++ below it, against a host made of a few functions: no mesh, no network, no Rust.
 *
 * Enters: the component, linked in. Leaves: a line for each failed expectation, and the exit status.
 */
#include "recording_host.hpp"

#include <atomic>
#include <cstdlib>
#include <thread>

namespace {

using recording::Deed;
using recording::Driven;
using recording::Host;

const std::string TYPE_ERROR_OF_NAME =
    "1 [{\"message\":\"greet: wrong argument for parameter `name`: expected a string, found ";

void it_greets(Host &host, Driven &greeter) {
    host.expect_equal(greeter.call("greet", "[\"Ada\"]"), "0 [\"Hello, Ada!\"]");
    host.expect_equal(greeter.call("greet", " [ \"A\\u0064a\\n\\\"\" , {\"x\":[1,{}]} ] "), "0 [\"Hello, Ada\\n\\\"!\"]");
    host.expect_equal(greeter.call("greet", "[\"a\\u0000b\"]"), "0 [\"Hello, a\\u0000b!\"]");
    host.expect_equal(greeter.call("greet", "[\"\\ud83d\\ude00 \\ud83d\"]"), "0 [\"Hello, \xF0\x9F\x98\x80 \xEF\xBF\xBD!\"]");
    host.expect_equal(greeter.call("greet", "[\"\xff\xc3\"]"), "0 [\"Hello, \xEF\xBF\xBD\xEF\xBF\xBD!\"]");
    host.expect_equal(greeter.call("greet", "[]"), TYPE_ERROR_OF_NAME + "null\",\"name\":\"TypeError\"}]");
    host.expect_equal(greeter.call("greet", "[17]"), TYPE_ERROR_OF_NAME + "a number `17`\",\"name\":\"TypeError\"}]");
    host.expect_equal(greeter.call("Greet", "[]"), "1 [{\"message\":\"there is no method Greet\",\"name\":\"Error\"}]");
    host.expect_equal(greeter.call("whoCalls", "[]", "{\"id\":\"1\",\"username\":\"ada\"}"), "0 [\"ada\"]");
    host.expect_equal(greeter.call("whoCalls", "[]"), "0 [null]");
}

void arguments_have_types(Host &host, Driven &greeter) {
    host.expect_equal(greeter.call("order", "[{\"item\":\"pears\",\"count\":3}]"), "0 [\"3 pears (no note)\"]");
    host.expect_equal(greeter.call("order", "[{\"item\":\"pears\",\"count\":3.0},\"ripe\"]"), "0 [\"3 pears (ripe)\"]");
    for (const char *wrong : {"[]", "[\"pears\"]", "[{\"item\":\"pears\",\"count\":-1}]", "[{\"item\":\"pears\",\"count\":1.5}]",
                              "[{\"item\":\"pears\",\"count\":4294967296}]", "[{\"count\":1}]",
                              "[{\"item\":\"pears\",\"count\":3},7]"}) {
        const std::string answer = greeter.call("order", wrong);
        host.expect(answer.find("1 [{\"message\":\"order: wrong argument for parameter") == 0, wrong, answer);
    }
    host.expect_equal(greeter.call("divide", "[7,2]"), "0 [3,1]");
    host.expect_equal(greeter.call("divide", "[-9223372036854775808,-1]"), "0 [9223372036854775808,0]");
    host.expect_equal(greeter.call("divide", "[1,0]"),
                      "1 [{\"message\":\"division by zero\",\"name\":\"DivisionError\",\"code\":4220}]");
    host.expect(greeter.call("divide", "[9223372036854775808,1]").find("1 ") == 0, "too large a number");
}

void hostile_arguments_are_refused(Host &host, Driven &greeter) {
    for (const char *hostile :
         {"", " ", "[", "]", "[]]", "[,]", "[1,]", "[1 2]", "{}", "\"Ada\"", "[\"Ada]", "[\"Ada\\\"]", "[\"\\", "[\"\\u12",
          "[\"\\u12g4\"]", "[\"\\x\"]", "[\"\n\"]", "[01]", "[-]", "[1.]", "[.5]", "[1e]", "[1e+]", "[+1]", "[tru]", "[nul",
          "[{]", "[{\"a\"}]", "[{\"a\":}]", "[{\"a\":1,}]", "[{a:1}]", "[{\"a\":1]", "[[}]", "[\"Ada\"] x", "[NaN]", "[\"Ada\"",
          "[\"Ada\",", "[[[[", "[{\"a\":[{\"b\":", "[1e999]", "[\"\\ud83d\\u"}) {
        const std::string answer = greeter.call("greet", hostile);
        host.expect(answer.find("1 [{\"message\":\"the arguments are not") == 0, hostile, answer);
    }
    for (std::size_t depth : {127, 128, 129, 200000}) {
        const std::string nested = "[\"Ada\"," + std::string(depth, '[') + std::string(depth, ']') + "]";
        const char expected = depth <= 127 ? '0' : '1';
        host.expect(greeter.call("greet", nested)[0] == expected, "nesting is bounded", std::to_string(depth));
    }
    std::uint64_t random = 88172645463325252ULL;
    const auto next = [&random] {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        return random;
    };
    static const char ALPHABET[] = "[]{}\",:\\u0019.eE+-truefalsn \n\x01\x7f\xff";
    for (int round = 0; round < 20000; round++) {
        std::string text = "[";
        for (std::size_t length = next() % 24; length > 0; length--) {
            text.push_back(ALPHABET[next() % (sizeof ALPHABET - 1)]);
        }
        greeter.call("greet", text);
    }
    /* Thousands of members with few names: the last of each counts, and it takes no square of their number. */
    std::string many = "[{";
    for (int member = 0; member < 50000; member++) {
        many += "\"" + std::to_string(member % 25000) + "\":" + std::to_string(member) + ",";
    }
    const std::string order = many + "\"item\":\"pears\",\"count\":3}]";
    host.expect_equal(greeter.call("order", order), "0 [\"3 pears (no note)\"]");
}

void it_emits_before_it_answers(Host &host, Driven &greeter) {
    greeter.push(MESH_WORK_CALL, 5, "emitGreeting", "[\"A\\u0000\"]");
    const std::vector<Deed> deeds = host.take();
    host.expect(deeds.size() == 2 && deeds[1].kind == "complete", "an event, then an answer");
    host.expect_equal(deeds[0].kind + deeds[0].what, "eventgreeted{\"name\":\"A\\u0000\"}");
}

/* The one request of the component. */
Deed only(Host &host) {
    const std::vector<Deed> deeds = host.take();
    host.expect(deeds.size() == 1, "one deed", std::to_string(deeds.size()));
    return deeds.empty() ? Deed{} : deeds[0];
}

void it_answers_later(Host &host, Driven &greeter) {
    greeter.push(MESH_WORK_CALL, 7001, "later", "[250]");
    const Deed timer = only(host);
    host.expect(timer.kind == "after" && timer.what == "250" && timer.number == 3, "a timer on its lane", timer.what);
    greeter.push(MESH_WORK_REPLY, timer.token, "", "");
    host.expect_equal(greeter.answer(7001), "0 [{\"waited\":250}]");
    greeter.push(MESH_WORK_REPLY, timer.token, "", "");
    host.expect(host.take().empty(), "a second reply is ignored");
    host.expect(greeter.call("later", "[86400001]").find("1 ") == 0, "too long a wait");

    greeter.push(MESH_WORK_CALL, 7002, "later", "[1]");
    const Deed second = only(host);
    greeter.push(MESH_WORK_CANCEL, 7002, "", "");
    greeter.push(MESH_WORK_REPLY, second.token, "", "");
    host.expect(host.take().empty(), "nobody waits for the answer any more");
    greeter.push(MESH_WORK_CANCEL, 7002, "", "");
    greeter.push(MESH_WORK_REPLY, 4711, "", "[1]");
    greeter.push(MESH_WORK_EVENT, 4711, "/_events/a/b/c", "{}");
    host.expect(host.take().empty(), "what is not known is ignored");
}

void it_calls_others(Host &host, Driven &greeter) {
    greeter.push(MESH_WORK_CALL, 8001, "callOther", "[\"calc\",\"double\",{\"of\":[21]}]");
    Deed call = only(host);
    /* A host that knows the call knows its limit. */
    host.expect_equal(call.what, std::string("calc/double@[{\"of\":[21]}]") + (host.is_old ? " with a limit" : ""));
    greeter.push(MESH_WORK_REPLY, call.token, "", "[42]");
    host.expect_equal(greeter.answer(8001), "0 [42]");
    for (const auto &[status, passed] : {std::pair(MESH_STATUS_ERROR, "1 "), {MESH_STATUS_VALUE_ERROR, "2 "},
                                         {MESH_STATUS_PANIC, "1 "}}) {
        greeter.push(MESH_WORK_CALL, 8002, "callOther", "[\"calc\",\"none\",1]");
        call = only(host);
        greeter.push(MESH_WORK_REPLY, call.token, "", "[{\"message\":\"no\",\"code\":7}]", status);
        host.expect_equal(greeter.answer(8002), std::string(passed) + "[{\"message\":\"no\",\"code\":7}]");
    }
}

void it_keeps_documents(Host &host, Driven &greeter) {
    greeter.push(MESH_WORK_CALL, 8101, "remember", "[\"ada\",[1,2]]");
    const Deed set = only(host);
    host.expect_equal(set.what, "names/ada{\"value\":[1,2]}");
    greeter.push(MESH_WORK_REPLY, set.token, "", "{\"value\":[1,2],\"_meta\":{}}");
    const Deed get = only(host);
    host.expect_equal(get.kind + " " + get.what, "get names/ada");
    greeter.push(MESH_WORK_REPLY, get.token, "", "{\"value\":[1,2],\"_meta\":{}}");
    host.expect_equal(greeter.answer(8101), "0 [[1,2]]");
    /* The handler throws: the call fails with all that the error has. */
    greeter.push(MESH_WORK_CALL, 8102, "remember", "[\"ada\",1]");
    greeter.push(MESH_WORK_REPLY, only(host).token, "", "[{\"message\":\"full\",\"name\":\"StoreError\",\"code\":9},1]",
                 MESH_STATUS_ERROR);
    host.expect_equal(greeter.answer(8102), "1 [{\"message\":\"full\",\"name\":\"StoreError\",\"code\":9},1]");
    /* A reply that is no JSON. */
    greeter.push(MESH_WORK_CALL, 8103, "remember", "[\"ada\",1]");
    greeter.push(MESH_WORK_REPLY, only(host).token, "", "{");
    host.expect(greeter.answer(8103).find("1 [{\"message\":") == 0, "a reply that is no JSON");
}

void it_answers_from_a_thread(Host &host, Driven &greeter) {
    for (mesh_token token = 9001; token < 9101; token++) {
        greeter.push(MESH_WORK_CALL, token, "onThread", "[\"Ada\"]");
    }
    const std::vector<Deed> deeds = host.take(100);
    for (std::size_t index = 0; index < deeds.size(); index++) {
        host.expect(deeds[index].token == 9001 + index && deeds[index].what == "[\"Hello, Ada!\"]", "an answer", deeds[index].what);
    }
}

void it_answers_web_requests(Host &host, Driven &greeter) {
    greeter.push(MESH_WORK_HTTP, 60, "{\"route\":\"page\",\"method\":\"GET\",\"url\":\"/x\",\"path\":\"/y\",\"headers\":{}}", "a\0b");
    const Deed page = only(host);
    host.expect(page.kind == "respond" && page.number == 200, "a response", page.kind);
    host.expect_equal(page.what, "{\"Content-Type\":[\"text/plain; charset=utf-8\"],\"Cache-Control\":[\"no-store\"]}"
                                 "Hello, you at /y!\n");
    greeter.push(MESH_WORK_HTTP, 61, "{\"route\":\"nothing\"}", "");
    host.expect_equal(greeter.answer(61), "1 [{\"message\":\"there is no route nothing\",\"name\":\"Error\"}]");
    greeter.push(MESH_WORK_HTTP, 62, "{", "");
    host.expect(greeter.answer(62).find("1 ") == 0, "a request that is no JSON");
}

void it_hears_until_it_ends(Host &host) {
    Driven greeter(host, "{\"greeting\":\"Hi\",\"listensTo\":\"clock\"}");
    const Deed subscribed = only(host);
    host.expect_equal(subscribed.kind + " " + subscribed.what, "subscribe clock/**@");
    greeter.push(MESH_WORK_EVENT, subscribed.token, "/_events/A/clock/a/b", "{\"n\":1}", 0, 0, "{\"x\":1}");
    host.expect_equal(only(host).what, "heard{\"key\":\"a/b\",\"data\":{\"n\":1}}");
    greeter.push(MESH_WORK_EVENT, subscribed.token, "/_events/A/clock/heard", "{}");
    host.expect(host.take().empty(), "no event of an event of its own");
    greeter.push(MESH_WORK_EVENT, subscribed.token, "/_events/A/clock/a", "{");
    host.expect_equal(only(host).kind, "log");
    /* Between SNAPSHOT and RESUME the host sends none, and one that comes all the same does no harm. */
    host.expect_equal(greeter.order(MESH_WORK_SNAPSHOT), "0 [0]");
    greeter.push(MESH_WORK_EVENT, subscribed.token, "/_events/A/clock/a", "{}");
    host.expect_equal(only(host).kind, "event");
    greeter.end();
    const Deed unsubscribed = only(host);
    host.expect(unsubscribed.kind == "unsubscribe" && unsubscribed.token == subscribed.token, "its subscription ends");
}

void what_still_waits_is_answered_when_it_ends(Host &host) {
    Driven greeter(host);
    greeter.push(MESH_WORK_CALL, 1, "later", "[60000]");
    greeter.push(MESH_WORK_CALL, 2, "callOther", "[\"a\",\"b\"]");
    host.take();
    host.expect_equal(greeter.order(MESH_WORK_STOP), "0 ");
    greeter.end();
    const std::vector<Deed> deeds = host.take();
    host.expect(deeds.size() == 2, "both calls are answered", std::to_string(deeds.size()));
    for (const Deed &deed : deeds) {
        host.expect_equal(deed.what, "[{\"message\":\"the component dropped the call without an answer\",\"name\":\"Error\"}]");
    }
}

void the_next_instance_counts_on(Host &host) {
    Driven old(host), next(host);
    old.call("greet", "[\"Ada\"]");
    old.call("greet", "[\"Ada\"]");
    host.expect_equal(old.order(MESH_WORK_SNAPSHOT), "0 [2]");
    host.expect_equal(next.order(MESH_WORK_RESTORE, "[2]", 1), "0 ");
    host.expect_equal(next.order(MESH_WORK_START), "0 ");
    host.expect_equal(next.call("count", "[]"), "0 [2]");
    for (const char *wrong : {"", "[", "[]", "[-1]", "[\"1\"]", "7", "{}", "[1,2]", "[18446744073709551616]"}) {
        host.expect(next.order(MESH_WORK_RESTORE, wrong, 1).find("1 [{") == 0, wrong);
    }
    for (std::uint32_t schema : {0U, 2U, UINT32_MAX}) {
        host.expect(next.order(MESH_WORK_RESTORE, "[1]", schema).find("1 [{") == 0, "a schema of others");
    }
    host.expect_equal(next.call("count", "[]"), "0 [2]");
    host.expect_equal(next.order(MESH_WORK_HEALTH), "0 ");
    next.push(MESH_WORK_QUIESCE, 0, "", "");
    next.push(MESH_WORK_RESUME, 0, "", "");
    host.expect(host.take().empty(), "hints are not completed");
}

void a_host_without_extensions_is_enough(Host &host) {
    Driven greeter(host, "{}", [](const void *, mesh_slice) -> const void * { return nullptr; });
    host.expect_equal(greeter.call("greet", "[\"Ada\"]"), "0 [\"Hello, Ada!\"]");
    for (const auto &[method, arguments] : {std::pair("later", "[1]"), {"emitGreeting", "[\"Ada\"]"},
                                            {"callOther", "[\"a\",\"b\"]"}, {"remember", "[\"a\",1]"}}) {
        const std::string answer = greeter.call(method, arguments);
        host.expect(answer.find("1 [{\"message\":\"this host offers no ") == 0, method, answer);
    }
}

void what_is_asked_for_a_caller_is_asked_with_its_rights(Host &host) {
    host.delegates = true;
    host.acting.clear();
    Driven greeter(host);
    greeter.push(MESH_WORK_CALL, 31, "emitGreeting", "[\"Ada\"]");
    greeter.push(MESH_WORK_CALL, 32, "callOther", "[\"a\",\"b\"]");
    if (host.is_old) {
        host.expect(host.acting == std::vector<mesh_token>{31, 0, 32, 0}, "each for its caller, and then for nobody");
    } else {
        host.expect(host.acting == std::vector<mesh_token>{31, 32}, "each request names its call");
    }
    greeter.end();
    host.take();
    host.delegates = false;
}

void the_first_of_two_requests_cancels_the_other(Host &host) {
    if (host.is_old) {
        return;
    }
    Driven greeter(host);
    for (const bool is_answered : {true, false}) {
        greeter.push(MESH_WORK_CALL, 41, "callWithin", "[\"a\",\"b\",1,50]");
        const std::vector<Deed> asked = host.take();
        host.expect(asked.size() == 2 && asked[0].kind == "after" && asked[1].kind == "call", "a timer and a call");
        const Deed &first = asked[is_answered ? 1 : 0], &other = asked[is_answered ? 0 : 1];
        greeter.push(MESH_WORK_REPLY, first.token, "", is_answered ? "[7]" : "");
        const std::vector<Deed> then = host.take();
        host.expect(then.size() == 2 && then[0].kind == "cancel" && then[0].token == other.token, "the other is cancelled");
        host.expect_equal(then[1].what, is_answered ? "[7]" : "[{\"message\":\"there was no answer in time\",\"name\":\"TimeoutError\"}]");
        greeter.push(MESH_WORK_REPLY, other.token, "", "[8]");
        host.expect(host.take().empty(), "a late reply is ignored");
    }
}

void a_request_that_is_not_taken_fails_at_once(Host &host) {
    if (host.is_old) {
        return;
    }
    Driven greeter(host);
    const std::string named = greeter.call("callOther", "[\"\",\"b\"]");
    host.expect(named.find("must not be empty") != std::string::npos, "a name that is empty", named);
    /* The timer that was made for the call is cancelled, since the call was not taken. */
    greeter.push(MESH_WORK_CALL, 42, "callWithin", "[\"\",\"b\",1,50]");
    const std::vector<Deed> deeds = host.take();
    host.expect(deeds.size() == 3 && deeds[1].kind == "cancel" && deeds[1].token == deeds[0].token, "no timer is left");
    /* The host does not know this call any more. */
    greeter.push(MESH_WORK_CALL, 404, "emitGreeting", "[\"Ada\"]");
    host.expect(only(host).what.find("the call is over") != std::string::npos, "the call is over");
}

void a_wrong_configuration_is_a_reason(Host &host) {
    Driven greeter(host, "{\"greeting\":7}");
    host.expect(greeter.status() == MESH_STATUS_ERROR, "it is not created");
    host.expect_equal(only(host).what, "expected a string, found a number `7`");
}

void sizes_below_the_first_are_refused(Host &host) {
    const mesh_vtable &greeter = *mesh_component_entry()->vtable;
    recording::Table table = recording::table(host);
    const std::uint32_t size = table.known.struct_size;
    void *instance = nullptr;
    table.known.struct_size = MESH_HOST_SIZE_1_0 - 8;
    const mesh_slice info = recording::slice("{\"logLevel\":\"error\"}");
    host.expect(greeter.create(&table.known, info, {}, &instance) == MESH_STATUS_ERROR, "a short host is refused");
    host.expect_equal(only(host).what, "`struct_size` of `mesh_host` is below that of ABI 1.0");
    table.known.struct_size = size;
    host.expect(greeter.create(&table.known, info, {}, &instance) == MESH_STATUS_OK, "a whole one is not");
    for (const std::uint32_t wrong : {40U, 81U}) {
        mesh_work item{};
        item.struct_size = wrong;
        item.kind = MESH_WORK_CALL;
        item.token = 1;
        greeter.work(instance, 0, &item, 1);
        const std::string says = only(host).what;
        host.expect(says.find("`mesh_work` has a `struct_size` of " + std::to_string(wrong)) != std::string::npos, "a line", says);
    }
    greeter.destroy(instance);
}

void lanes_share_one_instance(Host &host) {
    Driven greeter(host);
    std::vector<std::thread> lanes;
    for (mesh_token lane = 0; lane < 4; lane++) {
        lanes.emplace_back([&greeter, lane] {
            for (mesh_token round = 0; round < 500; round++) {
                const mesh_token token = 100000 + lane * 1000 + round;
                const char *method = round % 3 == 0 ? "onThread" : "greet";
                greeter.push(MESH_WORK_CALL, token, method, "[\"Ada\"]");
                greeter.push(MESH_WORK_CANCEL, token, "", "");
            }
        });
    }
    for (std::thread &lane : lanes) {
        lane.join();
    }
    greeter.end();
    host.take();
}

/* All expectations, of a host of either kind. */
void all(Host &host) {
    {
        Driven greeter(host);
        host.expect_equal(greeter.order(MESH_WORK_START), "0 ");
        it_greets(host, greeter);
        arguments_have_types(host, greeter);
        hostile_arguments_are_refused(host, greeter);
        it_emits_before_it_answers(host, greeter);
        it_answers_later(host, greeter);
        it_calls_others(host, greeter);
        it_keeps_documents(host, greeter);
        it_answers_from_a_thread(host, greeter);
        it_answers_web_requests(host, greeter);
    }
    it_hears_until_it_ends(host);
    what_still_waits_is_answered_when_it_ends(host);
    the_next_instance_counts_on(host);
    a_host_without_extensions_is_enough(host);
    what_is_asked_for_a_caller_is_asked_with_its_rights(host);
    the_first_of_two_requests_cancels_the_other(host);
    a_request_that_is_not_taken_fails_at_once(host);
    a_wrong_configuration_is_a_reason(host);
    sizes_below_the_first_are_refused(host);
    lanes_share_one_instance(host);
}

} // namespace

int main() {
    const mesh_component *component = mesh_component_entry();
    Host host;
    host.expect(component == mesh_component_entry(), "one description");
    host.expect(component->magic == MESH_MAGIC && component->struct_size >= sizeof(mesh_component), "a description");
    host.expect(mesh_equal(component->name, mesh_text("greeter")), "the name");
    for (const bool is_old : {true, false}) {
        host.is_old = is_old;
        all(host);
    }
    if (host.failures == 0) {
        std::puts("greeter: all expectations hold");
    }
    return host.failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
