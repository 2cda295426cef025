/*
 * Tests the greeter against a host made of a few functions: no mesh, no network, no Rust.
 *
 * Enters: the component, linked in. Leaves: a line for each failed expectation, and the exit status.
 * The host (`recording_host.h`) records what the component asks for; the test plays the lane. Payloads are copied into blocks of exactly
 * their size, so that a sanitizer sees every read past the end.
 */
#include "mesh_plugin.h"
#include "recording_host.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Playing the lane -------------------------------------------------------------------------------------------- */

/* Items of a later minor version: longer than the component knows. */
struct longer_work {
    mesh_work known;
    uint64_t later[3];
};

static const mesh_vtable *vtable;

static void push(void *instance, uint32_t kind, mesh_token token, int32_t status, const char *target,
                 mesh_slice payload) {
    uint8_t *bytes = malloc(payload.length == 0 ? 1 : payload.length);
    if (bytes == NULL) {
        abort();
    }
    if (payload.length > 0) {
        memcpy(bytes, payload.data, payload.length);
    }
    struct longer_work items[2];
    memset(items, 0xA5, sizeof items);
    /* The first item is of a kind that nobody knows. */
    items[0].known = (mesh_work){.struct_size = sizeof items[0], .kind = 99};
    items[1].known = (mesh_work){
        .struct_size = sizeof items[0],
        .kind = kind,
        .token = token,
        .status = status,
        .deadline_milliseconds = 9000,
        .method = UINT32_MAX,
        .target = mesh_bytes(target, strlen(target)),
        .payload = mesh_bytes(bytes, payload.length),
    };
    vtable->work(instance, 3, &items[0].known, 2);
    free(bytes);
}

static void call(void *instance, mesh_token token, const char *method, const char *arguments) {
    memset(&recorded, 0, sizeof recorded);
    push(instance, MESH_WORK_CALL, token, 0, method, mesh_bytes(arguments, strlen(arguments)));
}

static void expect_answer(void *instance, const char *method, const char *arguments, int32_t status,
                          const char *payload) {
    static mesh_token token = 100;
    token++;
    call(instance, token, method, arguments);
    expect(recorded.completions == 1, arguments, "another number of completions than one");
    expect(recorded.token == token, arguments, "another token");
    expect(recorded.status == status, arguments, recorded.payload);
    expect(strcmp(recorded.payload, payload) == 0, payload, recorded.payload);
}

static const char NAME_MUST_BE_TEXT[] = "[{\"name\":\"TypeError\",\"message\":\"name must be a string\"}]";
static const char NO_ARRAY[] =
    "[{\"name\":\"TypeError\",\"message\":\"the arguments must be a JSON array that nests at most 512 deep\"}]";

/* ---- Stories ----------------------------------------------------------------------------------------------------- */

static void it_greets(void *greeter) {
    expect_answer(greeter, "greet", "[\"Ada\"]", MESH_STATUS_OK, "[\"Hello, Ada!\"]");
    expect_answer(greeter, "greet", " [ \"A\\u0064a\\n\\\"\" , {\"x\":[1,{}]} ] ", MESH_STATUS_OK,
                  "[\"Hello, A\\u0064a\\n\\\"!\"]");
    expect_answer(greeter, "greet", "[\"\"]", MESH_STATUS_OK, "[\"Hello, !\"]");
    const char *no_names[] = {"[]", "[1]", "[null]", "[[\"Ada\"]]", "[{\"name\":\"Ada\"}]", "[true,\"Ada\"]"};
    for (size_t index = 0; index < sizeof no_names / sizeof no_names[0]; index++) {
        expect_answer(greeter, "greet", no_names[index], MESH_STATUS_ERROR, NAME_MUST_BE_TEXT);
    }
    expect_answer(greeter, "Greet", "[\"Ada\"]", MESH_STATUS_ERROR,
                  "[{\"name\":\"Error\",\"message\":\"greeter has no such method\"}]");
}

static void hostile_arguments_are_refused(void *greeter) {
    const char *hostile[] = {
        "", " ", "[", "]", "[]]", "[,]", "[1,]", "[1 2]", "{}", "\"Ada\"", "[\"Ada]", "[\"Ada\\\"]", "[\"\\",
        "[\"\\u12",
        "[\"\\u12g4\"]", "[\"\\x\"]", "[\"\n\"]", "[01]", "[-]", "[1.]", "[.5]", "[1e]", "[1e+]", "[+1]", "[tru]",
        "[nul", "[{]", "[{\"a\"}]", "[{\"a\":}]", "[{\"a\":1,}]", "[{a:1}]", "[{\"a\":1]", "[[}]", "[\"Ada\"] x",
        "[NaN]", "[\"Ada\"", "[\"Ada\",", "[[[[", "[{\"a\":[{\"b\":",
    };
    for (size_t index = 0; index < sizeof hostile / sizeof hostile[0]; index++) {
        expect_answer(greeter, "greet", hostile[index], MESH_STATUS_ERROR, NO_ARRAY);
    }
    const char *valid[] = {
        "[\"Ada\",-0,0.5,1e9,-12.5E-3,true,false,null,[],{},[[]],{\"\":{\"a\":[1,2,{\"b\":null}]}}]",
        "\t[\r\n\"Ada\" , [ ] , { } ,{ \"a\" : 1 , \"b\" : [ 1 , 2 ] } ]\n",
    };
    for (size_t index = 0; index < sizeof valid / sizeof valid[0]; index++) {
        expect_answer(greeter, "greet", valid[index], MESH_STATUS_OK, "[\"Hello, Ada!\"]");
    }
    /* Every beginning of a valid text but the whole is refused. */
    for (size_t length = 0; length < strlen(valid[0]); length++) {
        memset(&recorded, 0, sizeof recorded);
        push(greeter, MESH_WORK_CALL, 1, 0, "greet", mesh_bytes(valid[0], length));
        expect(strcmp(recorded.payload, NO_ARRAY) == 0, "a cut text is refused", recorded.payload);
    }
    /* A null slice. */
    memset(&recorded, 0, sizeof recorded);
    const mesh_work item = {.struct_size = sizeof item, .kind = MESH_WORK_CALL, .token = 2};
    vtable->work(greeter, 0, &item, 1);
    expect(recorded.completions == 1 && recorded.status == MESH_STATUS_ERROR, "a null slice", recorded.payload);
}

static void nesting_is_bounded(void *greeter) {
    for (size_t depth = 511; depth <= 200000; depth = depth < 515 ? depth + 1 : depth * 20) {
        char *text = malloc(2 * depth + 16);
        if (text == NULL) {
            abort();
        }
        memcpy(text, "[\"Ada\",", 7);
        memset(text + 7, '[', depth);
        memset(text + 7 + depth, ']', depth + 1);
        text[7 + 2 * depth + 1] = '\0';
        expect_answer(greeter, "greet", text, depth <= 512 ? MESH_STATUS_OK : MESH_STATUS_ERROR,
                      depth <= 512 ? "[\"Hello, Ada!\"]" : NO_ARRAY);
        free(text);
    }
}

static void random_bytes_do_no_harm(void *greeter) {
    static const char ALPHABET[] = "[]{}\",:\\u0019.eE+-truefalsn \n\x01\x7f\xff";
    uint64_t random = 88172645463325252ULL;
    for (int round = 0; round < 200000; round++) {
        char text[24];
        size_t length = 0;
        text[length++] = '[';
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        size_t wanted = random % (sizeof text - 1);
        while (length < wanted) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            text[length++] = ALPHABET[random % (sizeof ALPHABET - 1)];
        }
        memset(&recorded, 0, sizeof recorded);
        push(greeter, MESH_WORK_CALL, 5, 0, "greet", mesh_bytes(text, length));
        expect(recorded.completions == 1, "one completion", "another number");
    }
}

static void it_emits_before_it_answers(void *greeter) {
    expect_answer(greeter, "emitGreeting", "[\"A\\u0064a\"]", MESH_STATUS_OK, "[\"Hello, A\\u0064a!\"]");
    expect(recorded.events == 1, "one event", "another number");
    expect(strcmp(recorded.event, "{\"name\":\"A\\u0064a\"}") == 0, "the event's data", recorded.event);
    expect_answer(greeter, "emitGreeting", "[7]", MESH_STATUS_ERROR, NAME_MUST_BE_TEXT);
    expect(recorded.events == 0, "no event", "one");
}

static void it_answers_later(void *greeter) {
    call(greeter, 7001, "later", "[250]");
    expect(recorded.completions == 0 && recorded.timers == 1, "it waits", recorded.payload);
    expect(recorded.milliseconds == 250 && recorded.lane == 3, "it waits as told", "otherwise");
    push(greeter, MESH_WORK_REPLY, recorded.token, MESH_STATUS_OK, "", mesh_empty());
    expect(recorded.completions == 1 && recorded.token == 7001, "it answers", recorded.payload);
    expect(strcmp(recorded.payload, "[{\"waited\":250}]") == 0, "it says how long", recorded.payload);
    push(greeter, MESH_WORK_REPLY, 7001, MESH_STATUS_OK, "", mesh_empty());
    expect(recorded.completions == 1, "a second reply is ignored", recorded.payload);
    const char *wrong[] = {"[]", "[-1]", "[1.5]", "[1e3]", "[\"1\"]", "[86400001]", "[99999999999999999999999]"};
    for (size_t index = 0; index < sizeof wrong / sizeof wrong[0]; index++) {
        expect_answer(greeter, "later", wrong[index], MESH_STATUS_ERROR,
                      "[{\"name\":\"TypeError\",\"message\":\"ms must be a whole number from 0 to 86400000\"}]");
    }
    call(greeter, 7002, "later", "[1]");
    push(greeter, MESH_WORK_CANCEL, 7002, 0, "", mesh_empty());
    push(greeter, MESH_WORK_REPLY, 7002, MESH_STATUS_OK, "", mesh_empty());
    expect(recorded.completions == 0, "a cancelled call is forgotten", recorded.payload);
}

static void it_calls_others(void *greeter) {
    call(greeter, 8001, "callOther", "[\"calc\",\"double\",{\"of\":[21]}]");
    expect(recorded.calls == 1 && recorded.completions == 0, "it calls", recorded.payload);
    expect(strcmp(recorded.called, "calc/double[{\"of\":[21]}]") == 0, "it passes the argument", recorded.called);
    expect(recorded.milliseconds == 9000, "it waits no longer than its caller", "otherwise");
    push(greeter, MESH_WORK_REPLY, recorded.token, MESH_STATUS_OK, "", mesh_text("[42]"));
    expect(recorded.token == 8001 && recorded.status == MESH_STATUS_OK, "it relays", recorded.payload);
    expect(strcmp(recorded.payload, "[42]") == 0, "it relays the result", recorded.payload);
    call(greeter, 8002, "callOther", "[\"calc\",\"none\"]");
    expect(strcmp(recorded.called, "calc/none[]") == 0, "without an argument", recorded.called);
    push(greeter, MESH_WORK_REPLY, recorded.token, MESH_STATUS_ERROR, "", mesh_text("[{\"message\":\"no\"}]"));
    expect(recorded.status == MESH_STATUS_ERROR, "it relays errors", recorded.payload);
    expect(strcmp(recorded.payload, "[{\"message\":\"no\"}]") == 0, "it relays errors", recorded.payload);
    call(greeter, 8003, "callOther", "[\"calc\",\"panics\"]");
    push(greeter, MESH_WORK_REPLY, recorded.token, MESH_STATUS_PANIC, "", mesh_text("[{\"message\":\"oh\"}]"));
    expect(recorded.status == MESH_STATUS_ERROR, "a panic of others is not its own", recorded.payload);
    const char *wrong[] = {"[]", "[\"calc\"]", "[1,2]", "[\"\",\"a\"]", "[\"a\\u0062\",\"a\"]"};
    for (size_t index = 0; index < sizeof wrong / sizeof wrong[0]; index++) {
        expect_answer(
            greeter, "callOther", wrong[index], MESH_STATUS_ERROR,
            "[{\"name\":\"TypeError\",\"message\":\"component and method must be strings without escapes\"}]");
    }
}

static void restore(void *greeter, uint32_t schema, mesh_slice state, int32_t status, const char *payload) {
    uint8_t *bytes = malloc(state.length + 1);
    if (bytes == NULL) {
        abort();
    }
    if (state.length > 0) {
        memcpy(bytes + 1, state.data, state.length);
    }
    memset(&recorded, 0, sizeof recorded);
    const mesh_work item = {.struct_size = sizeof item,
                            .kind = MESH_WORK_RESTORE,
                            .token = 11,
                            .method = schema,
                            .payload = mesh_bytes(bytes + 1, state.length)};
    vtable->work(greeter, 0, &item, 1);
    free(bytes);
    expect(recorded.completions == 1 && recorded.token == 11, "one completion", "another number");
    expect(recorded.status == status, "the status of a restored state", recorded.payload);
    expect(strcmp(recorded.payload, payload) == 0, payload, recorded.payload);
}

static void *create_greeter(const mesh_host *host) {
    void *greeter = NULL;
    expect(vtable->create(host, mesh_text("{}"), mesh_text("{}"), &greeter) == MESH_STATUS_OK, "create", "an error");
    return greeter;
}

static void the_next_instance_counts_on(const mesh_host *host) {
    void *old = create_greeter(host);
    expect_answer(old, "greet", "[\"Ada\"]", MESH_STATUS_OK, "[\"Hello, Ada!\"]");
    memset(&recorded, 0, sizeof recorded);
    push(old, MESH_WORK_SNAPSHOT, 10, 0, "", mesh_empty());
    expect(recorded.completions == 1 && recorded.token == 10, "one state", recorded.payload);
    expect(recorded.status == MESH_STATUS_OK, "a state", recorded.payload);
    char state[TEXT_KEPT];
    memcpy(state, recorded.payload, sizeof state);
    void *next = create_greeter(host);
    restore(next, 1, mesh_bytes(state, strlen(state)), MESH_STATUS_OK, "");
    push(next, MESH_WORK_START, 1, 0, "", mesh_empty());
    expect_answer(next, "count", "[]", MESH_STATUS_OK, "[2]");
    /* The next one is rolled back. */
    push(next, MESH_WORK_SNAPSHOT, 10, 0, "", mesh_empty());
    memcpy(state, recorded.payload, sizeof state);
    vtable->destroy(next);
    restore(old, 1, mesh_bytes(state, strlen(state)), MESH_STATUS_OK, "");
    memset(&recorded, 0, sizeof recorded);
    push(old, MESH_WORK_RESUME, 0, 0, "", mesh_empty());
    push(old, MESH_WORK_QUIESCE, 0, 0, "", mesh_empty());
    expect(recorded.completions == 0, "hints are not completed", recorded.payload);
    expect_answer(old, "count", "[]", MESH_STATUS_OK, "[3]");
    vtable->destroy(old);
}

static void foreign_states_are_refused(void *greeter) {
    static const char NO_STATE[] = "[{\"name\":\"TypeError\",\"message\":\"this is no state of the greeter\"}]";
    const char *wrong[] = {"", "[", "[]", "[-1]", "[\"1\"]", "7", "{}", "[9223372036854775808]"};
    for (size_t index = 0; index < sizeof wrong / sizeof wrong[0]; index++) {
        restore(greeter, 1, mesh_bytes(wrong[index], strlen(wrong[index])), MESH_STATUS_ERROR, NO_STATE);
    }
    const uint32_t schemas[] = {0, 2, UINT32_MAX};
    for (size_t index = 0; index < sizeof schemas / sizeof schemas[0]; index++) {
        restore(greeter, schemas[index], mesh_text("[1]"), MESH_STATUS_ERROR,
                "[{\"name\":\"TypeError\",\"message\":\"greeter reads states of schema 1 only\"}]");
    }
}

static void expect_health(void *greeter, int32_t status) {
    memset(&recorded, 0, sizeof recorded);
    push(greeter, MESH_WORK_HEALTH, 12, 0, "", mesh_empty());
    expect(recorded.completions == 1 && recorded.token == 12, "one completion", recorded.payload);
    expect(recorded.status == status, "its health", recorded.payload);
}

static void it_says_when_too_much_is_unanswered(const mesh_host *host) {
    enum { REQUESTS = 10001 };
    void *greeter = create_greeter(host);
    for (mesh_token token = 1; token <= REQUESTS; token++) {
        expect_health(greeter, MESH_STATUS_OK);
        call(greeter, token, "later", "[1]");
    }
    expect_health(greeter, MESH_STATUS_ERROR);
    push(greeter, MESH_WORK_REPLY, REQUESTS, MESH_STATUS_OK, "", mesh_empty());
    expect_health(greeter, MESH_STATUS_OK);
    vtable->destroy(greeter);
}

static void *greet_often(void *greeter) {
    const mesh_work item = {.struct_size = sizeof item,
                            .kind = MESH_WORK_CALL,
                            .token = 6,
                            .target = mesh_text("greet"),
                            .payload = mesh_text("[\"Ada\"]")};
    for (int round = 0; round < 1000; round++) {
        vtable->work(greeter, 1, &item, 1);
    }
    return NULL;
}

static void it_counts_on_all_lanes(const mesh_host *host) {
    void *greeter = create_greeter(host);
    pthread_t lanes[2];
    for (int lane = 0; lane < 2; lane++) {
        if (pthread_create(&lanes[lane], NULL, greet_often, greeter) != 0) {
            abort();
        }
    }
    for (int lane = 0; lane < 2; lane++) {
        pthread_join(lanes[lane], NULL);
    }
    expect_answer(greeter, "count", "[]", MESH_STATUS_OK, "[2001]");
    vtable->destroy(greeter);
}

static void a_host_without_extensions_is_enough(void) {
    void *greeter = create_greeter(&BARE_HOST);
    expect_answer(greeter, "greet", "[\"Ada\"]", MESH_STATUS_OK, "[\"Hello, Ada!\"]");
    expect_answer(greeter, "later", "[1]", MESH_STATUS_ERROR,
                  "[{\"name\":\"Error\",\"message\":\"this host offers no timer\"}]");
    expect_answer(greeter, "emitGreeting", "[\"Ada\"]", MESH_STATUS_ERROR,
                  "[{\"name\":\"Error\",\"message\":\"this host offers no events\"}]");
    expect_answer(greeter, "callOther", "[\"a\",\"b\"]", MESH_STATUS_ERROR,
                  "[{\"name\":\"Error\",\"message\":\"this host offers no calls of other components\"}]");
    vtable->destroy(greeter);
}

int main(void) {
    const mesh_component *component = mesh_component_entry();
    expect(component->magic == MESH_MAGIC, "the magic number", "another");
    expect(component->struct_size >= sizeof(mesh_component), "the size", "a smaller one");
    expect(mesh_equal(component->name, mesh_text("greeter")), "the name", "another");
    vtable = component->vtable;

    void *greeter = create_greeter(&HOST.known);
    push(greeter, MESH_WORK_START, 1, 0, "", mesh_empty());
    expect(recorded.completions == 1 && recorded.status == MESH_STATUS_OK, "it starts", recorded.payload);
    it_greets(greeter);
    hostile_arguments_are_refused(greeter);
    nesting_is_bounded(greeter);
    random_bytes_do_no_harm(greeter);
    it_emits_before_it_answers(greeter);
    it_answers_later(greeter);
    it_calls_others(greeter);
    foreign_states_are_refused(greeter);
    call(greeter, 9001, "later", "[60000]"); /* Still waiting when the instance is freed. */
    memset(&recorded, 0, sizeof recorded);
    push(greeter, MESH_WORK_STOP, 9, 0, "", mesh_empty());
    expect(recorded.token == 9 && recorded.status == MESH_STATUS_OK, "it stops", recorded.payload);
    vtable->destroy(greeter);
    it_counts_on_all_lanes(&HOST.known);
    the_next_instance_counts_on(&HOST.known);
    it_says_when_too_much_is_unanswered(&HOST.known);
    a_host_without_extensions_is_enough();

    if (failures == 0) {
        puts("greeter: all expectations hold");
    }
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
