/*
 * The component `greeter`, in C11: the proof that C is enough to write one, and a template to start from.
 *
 * Enters: calls as JSON arrays of arguments, the replies to what the component asks of the host, and the state of an
 * earlier instance. Leaves: one completion for each call, the event `greeted`, and the state.
 * Guarantees: all state is in the instance; it may run on several lanes at the same time; arguments are never trusted,
 * every byte is bounds-checked before it is read; a call that cannot be served is answered with an error.
 *
 * Strings are passed on as the JSON text they came as: a name with an escape such as `\n` is still the same escape in
 * the greeting, so nothing has to be decoded or encoded.
 */
#include "arguments.h"
#include "mesh_plugin.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- The instance ------------------------------------------------------------------------------------------------ */

static const uint64_t LONGEST_WAIT = 86400000; /* One day, in milliseconds. */
static const size_t MOST_REQUESTS = 10000;     /* With more of them unanswered, something is wrong. */

/* The state is `[calls]`: an array, so that what reads arguments reads it too. */
enum { STATE_SCHEMA = 1 };

/* Something the host was asked for on behalf of a call. The call's own token serves as the request's: it is unique
 * among unanswered calls and never zero. */
struct request {
    struct request *next;
    mesh_token token;
    bool is_timer;
    uint64_t milliseconds;
};

struct greeter {
    const mesh_host *host;                   /* Borrowed until `destroy` returns. */
    const mesh_exchange_extension *exchange; /* Null where the host has none; so are the next two. */
    const mesh_events_extension *events;
    const mesh_timer_extension *timer;
    atomic_uint_fast64_t calls; /* All calls of this instance, good or bad. */
    pthread_mutex_t lock;       /* Guards `requests`. Never held while the host is called. */
    struct request *requests;   /* Owned. */
    size_t request_count;       /* How many they are. */
};

static void complete(const struct greeter *greeter, mesh_token token, int32_t status, mesh_slice payload) {
    greeter->host->complete(greeter->host->context, token, status, payload);
}

/* Fails a call. Name and message are string literals that need no escapes in JSON. */
#define fail_call(greeter, token, name, message)           \
    complete((greeter), (token), MESH_STATUS_ERROR,        \
             mesh_text("[{\"name\":\"" name "\",\"message\":\"" message "\"}]"))

/* Three texts in a row, in memory that the caller frees; null data when there is none. */
static mesh_slice join(mesh_slice before, mesh_slice middle, mesh_slice after) {
    size_t length = before.length + middle.length + after.length;
    uint8_t *data = malloc(length + 1);
    if (data == NULL) {
        return mesh_empty();
    }
    uint8_t *at = data;
    const mesh_slice parts[] = {before, middle, after};
    for (size_t part = 0; part < sizeof parts / sizeof parts[0]; part++) {
        if (parts[part].length > 0) {
            memcpy(at, parts[part].data, parts[part].length);
            at += parts[part].length;
        }
    }
    return mesh_bytes(data, length);
}

/* Answers a call with `["Hello, <name>!"]`. */
static void answer_greeting(const struct greeter *greeter, mesh_token token, mesh_slice name) {
    mesh_slice payload = join(mesh_text("[\"Hello, "), name, mesh_text("!\"]"));
    if (payload.data == NULL) {
        fail_call(greeter, token, "Error", "out of memory");
        return;
    }
    complete(greeter, token, MESH_STATUS_OK, payload);
    free((void *)payload.data);
}

/* Answers a call with one number between two texts. */
static void answer_number(const struct greeter *greeter, mesh_token token, const char *format, uint64_t number) {
    char payload[64];
    int length = snprintf(payload, sizeof payload, format, (unsigned long long)number);
    complete(greeter, token, MESH_STATUS_OK, mesh_bytes(payload, (size_t)length));
}

/* Notes a request before it is made, since its reply may arrive on another lane at once. */
static bool remember(struct greeter *greeter, mesh_token token, bool is_timer, uint64_t milliseconds) {
    struct request *request = malloc(sizeof *request);
    if (request == NULL) {
        return false;
    }
    pthread_mutex_lock(&greeter->lock);
    *request = (struct request){greeter->requests, token, is_timer, milliseconds};
    greeter->requests = request;
    greeter->request_count++;
    pthread_mutex_unlock(&greeter->lock);
    return true;
}

/* Takes a request out; the caller frees it. Null when it is not known (any more). */
static struct request *recall(struct greeter *greeter, mesh_token token) {
    pthread_mutex_lock(&greeter->lock);
    struct request **link = &greeter->requests;
    while (*link != NULL && (*link)->token != token) {
        link = &(*link)->next;
    }
    struct request *request = *link;
    if (request != NULL) {
        *link = request->next;
        greeter->request_count--;
    }
    pthread_mutex_unlock(&greeter->lock);
    return request;
}

/* ---- Methods ----------------------------------------------------------------------------------------------------- */

/* A call being served. */
struct call {
    uint32_t lane;
    const mesh_work *item;
    const struct arguments *arguments;
};

static void greet(struct greeter *greeter, const struct call *call) {
    mesh_slice name;
    if (!string_argument(call->arguments, 0, &name)) {
        fail_call(greeter, call->item->token, "TypeError", "name must be a string");
        return;
    }
    answer_greeting(greeter, call->item->token, name);
}

static void emit_greeting(struct greeter *greeter, const struct call *call) {
    mesh_slice name;
    if (!string_argument(call->arguments, 0, &name)) {
        fail_call(greeter, call->item->token, "TypeError", "name must be a string");
        return;
    }
    if (greeter->events == NULL) {
        fail_call(greeter, call->item->token, "Error", "this host offers no events");
        return;
    }
    mesh_slice event = join(mesh_text("{\"name\":"), call->arguments->values[0], mesh_text("}"));
    if (event.data == NULL) {
        fail_call(greeter, call->item->token, "Error", "out of memory");
        return;
    }
    greeter->events->emit(greeter->host->context, mesh_text("greeted"), event, mesh_empty());
    free((void *)event.data);
    answer_greeting(greeter, call->item->token, name);
}

static void later(struct greeter *greeter, const struct call *call) {
    mesh_token token = call->item->token;
    uint64_t milliseconds;
    if (!whole_argument(call->arguments, 0, LONGEST_WAIT, &milliseconds)) {
        fail_call(greeter, token, "TypeError", "ms must be a whole number from 0 to 86400000");
    } else if (greeter->timer == NULL) {
        fail_call(greeter, token, "Error", "this host offers no timer");
    } else if (!remember(greeter, token, true, milliseconds)) {
        fail_call(greeter, token, "Error", "out of memory");
    } else {
        greeter->timer->after(greeter->host->context, call->lane, token, milliseconds);
    }
}

static void call_other(struct greeter *greeter, const struct call *call) {
    const struct arguments *arguments = call->arguments;
    mesh_token token = call->item->token;
    mesh_slice component, method;
    if (!name_argument(arguments, 0, &component) || !name_argument(arguments, 1, &method)) {
        fail_call(greeter, token, "TypeError", "component and method must be strings without escapes");
        return;
    }
    if (greeter->exchange == NULL) {
        fail_call(greeter, token, "Error", "this host offers no calls of other components");
        return;
    }
    mesh_slice argument = arguments->count > 2 ? arguments->values[2] : mesh_empty();
    mesh_slice payload = join(mesh_text("["), argument, mesh_text("]"));
    if (payload.data == NULL || !remember(greeter, token, false, 0)) {
        free((void *)payload.data);
        fail_call(greeter, token, "Error", "out of memory");
        return;
    }
    greeter->exchange->call(greeter->host->context, call->lane, token, component, method, mesh_empty(), payload,
                            call->item->deadline_milliseconds);
    free((void *)payload.data);
}

static void count(struct greeter *greeter, const struct call *call) {
    answer_number(greeter, call->item->token, "[%llu]", atomic_load(&greeter->calls));
}

static const struct {
    mesh_slice name;
    void (*serve)(struct greeter *greeter, const struct call *call);
} METHODS[] = {
    {MESH_TEXT_INITIALIZER("greet"), greet},
    {MESH_TEXT_INITIALIZER("emitGreeting"), emit_greeting},
    {MESH_TEXT_INITIALIZER("later"), later},
    {MESH_TEXT_INITIALIZER("callOther"), call_other},
    {MESH_TEXT_INITIALIZER("count"), count},
};

static void serve_call(struct greeter *greeter, uint32_t lane, const mesh_work *item) {
    atomic_fetch_add(&greeter->calls, 1);
    struct arguments arguments;
    if (!split_arguments(item->payload, &arguments)) {
        fail_call(greeter, item->token, "TypeError", "the arguments must be a JSON array that nests at most 512 deep");
        return;
    }
    const struct call call = {lane, item, &arguments};
    for (size_t method = 0; method < sizeof METHODS / sizeof METHODS[0]; method++) {
        if (mesh_equal(METHODS[method].name, item->target)) {
            METHODS[method].serve(greeter, &call);
            return;
        }
    }
    fail_call(greeter, item->token, "Error", "greeter has no such method");
}

/* Answers the call for which the host was asked something. */
static void take_reply(struct greeter *greeter, const mesh_work *item) {
    struct request *request = recall(greeter, item->token);
    if (request == NULL) {
        return;
    }
    if (request->is_timer && item->status == MESH_STATUS_OK) {
        answer_number(greeter, item->token, "[{\"waited\":%llu}]", request->milliseconds);
    } else {
        /* The defect of another component is an error here, and no defect of the greeter. */
        int32_t status = item->status == MESH_STATUS_PANIC ? MESH_STATUS_ERROR : item->status;
        complete(greeter, item->token, status, item->payload);
    }
    free(request);
}

/* ---- State and health -------------------------------------------------------------------------------------------- */

static void give_state(const struct greeter *greeter, mesh_token token) {
    answer_number(greeter, token, "[%llu]", atomic_load(&greeter->calls));
}

/* Takes over the state of another instance: before the start, or later, when this one serves again. */
static void take_state(struct greeter *greeter, const mesh_work *item) {
    struct arguments state;
    uint64_t calls;
    if (item->method != STATE_SCHEMA) {
        fail_call(greeter, item->token, "TypeError", "greeter reads states of schema 1 only");
    } else if (!split_arguments(item->payload, &state) || !whole_argument(&state, 0, INT64_MAX, &calls)) {
        fail_call(greeter, item->token, "TypeError", "this is no state of the greeter");
    } else {
        atomic_store(&greeter->calls, calls);
        complete(greeter, item->token, MESH_STATUS_OK, mesh_empty());
    }
}

static void say_health(struct greeter *greeter, mesh_token token) {
    pthread_mutex_lock(&greeter->lock);
    bool is_well = greeter->request_count <= MOST_REQUESTS;
    pthread_mutex_unlock(&greeter->lock);
    if (is_well) {
        complete(greeter, token, MESH_STATUS_OK, mesh_empty());
    } else {
        fail_call(greeter, token, "Error", "too many requests are unanswered");
    }
}

/* ---- Functions for the host -------------------------------------------------------------------------------------- */

static const void *find_extension(const mesh_host *host, mesh_slice name) {
    return host->get_extension(host->context, name);
}

static int32_t create(const mesh_host *host, mesh_slice info, mesh_slice config, void **instance) {
    (void)info;
    (void)config;
    struct greeter *greeter = calloc(1, sizeof *greeter);
    if (greeter == NULL || pthread_mutex_init(&greeter->lock, NULL) != 0) {
        free(greeter);
        host->fail(host->context, mesh_text("there is no memory for the greeter"));
        return MESH_STATUS_ERROR;
    }
    greeter->host = host;
    greeter->exchange = find_extension(host, mesh_text(MESH_EXCHANGE_EXTENSION));
    greeter->events = find_extension(host, mesh_text(MESH_EVENTS_EXTENSION));
    greeter->timer = find_extension(host, mesh_text(MESH_TIMER_EXTENSION));
    atomic_init(&greeter->calls, 0);
    *instance = greeter;
    return MESH_STATUS_OK;
}

static void work(void *instance, uint32_t lane, const mesh_work *items, size_t item_count) {
    struct greeter *greeter = instance;
    for (size_t index = 0; index < item_count; index++) {
        const mesh_work *item = mesh_work_at(items, index);
        switch (item->kind) {
        case MESH_WORK_START:
        case MESH_WORK_STOP:
            complete(greeter, item->token, MESH_STATUS_OK, mesh_empty());
            break;
        case MESH_WORK_CALL:
            serve_call(greeter, lane, item);
            break;
        case MESH_WORK_REPLY:
            take_reply(greeter, item);
            break;
        case MESH_WORK_CANCEL:
            free(recall(greeter, item->token));
            break;
        case MESH_WORK_SNAPSHOT:
            give_state(greeter, item->token);
            break;
        case MESH_WORK_RESTORE:
            take_state(greeter, item);
            break;
        case MESH_WORK_HEALTH:
            say_health(greeter, item->token);
            break;
        default:
            /* QUIESCE and RESUME among others: the greeter does nothing by itself that could pause. */
            break;
        }
    }
}

static void destroy(void *instance) {
    struct greeter *greeter = instance;
    while (greeter->requests != NULL) {
        struct request *request = greeter->requests;
        greeter->requests = request->next;
        free(request);
    }
    pthread_mutex_destroy(&greeter->lock);
    free(greeter);
}

static const mesh_vtable VTABLE = {
    .struct_size = sizeof(mesh_vtable),
    .create = create,
    .work = work,
    .destroy = destroy,
};

static const mesh_component COMPONENT = {
    .magic = MESH_MAGIC,
    .struct_size = sizeof(mesh_component),
    .abi_major = MESH_ABI_MAJOR,
    .abi_minor = MESH_ABI_MINOR,
    .sdk = MESH_TEXT_INITIALIZER("c11"),
    .name = MESH_TEXT_INITIALIZER("greeter"),
    .version = MESH_TEXT_INITIALIZER("1.0.0"),
    .descriptor = MESH_TEXT_INITIALIZER(
        "{\"methods\":["
        "{\"name\":\"greet\",\"description\":\"Answers with a greeting.\","
        "\"parameters\":[{\"name\":\"name\"},{\"name\":\"callback\"}]},"
        "{\"name\":\"emitGreeting\",\"description\":\"Emits the event greeted, then answers with a greeting.\","
        "\"parameters\":[{\"name\":\"name\"},{\"name\":\"callback\"}]},"
        "{\"name\":\"later\",\"description\":\"Answers after that many milliseconds.\","
        "\"parameters\":[{\"name\":\"ms\"},{\"name\":\"callback\"}]},"
        "{\"name\":\"callOther\",\"description\":\"Calls a method of another component and answers as it does.\","
        "\"parameters\":[{\"name\":\"component\"},{\"name\":\"method\"},{\"name\":\"argument\"},"
        "{\"name\":\"callback\"}]},"
        "{\"name\":\"count\",\"description\":\"Answers with the number of calls so far, this one included.\","
        "\"parameters\":[{\"name\":\"callback\"}]}],"
        "\"events\":{\"greeted\":{}},"
        "\"state\":{\"schema\":1,\"restores\":[1]},\"health\":true}"),
    .vtable = &VTABLE,
};

const mesh_component *mesh_component_entry(void) {
    return &COMPONENT;
}
