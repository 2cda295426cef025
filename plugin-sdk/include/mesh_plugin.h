/*
 * The contract between a mesh host and a component library, for C and C++.
 *
 * Enters and leaves: the structs below, function pointers, and UTF-8 JSON bytes. This header needs nothing but
 * the C standard library and compiles as C99, C11 and C++17. It says the same as the Rust crate `mesh-plugin-abi`;
 * a test of that crate keeps sizes, offsets, types and constants of the two equal.
 *
 * A component library exports one function, `mesh_component_entry`, which returns a static description of the
 * library. From there on the host calls the functions in `mesh_vtable`, and the library calls those in `mesh_host`.
 *
 * Guarantees every party gives:
 *
 *   Growth.      Majors must match. A minor version only appends fields. Every struct begins with its own size (the
 *                description with its magic number, then its size). Sizes only grow, and none is below that of the
 *                version that brought the struct: see MESH_WORK_SIZE_1_0 and the others. A reader uses a field only
 *                when it lies inside the size that the writer gave: see `mesh_has_field`. Items of an array lie one
 *                behind the other, each as long as its size says: see `mesh_work_next`. Functions that a call's
 *                answer does not need are in an extension, asked for by name.
 *   Memory.      Every `mesh_slice` is borrowed for the duration of the call it is passed to. Where a field says
 *                "static", it is borrowed for as long as the library is loaded. A side that keeps bytes copies them.
 *                Nobody frees memory that somebody else allocated.
 *   Threads.     The host runs library code only on lanes: operating system threads that belong to one loaded
 *                version and end before it is unloaded. Constructors of the library, `create` and `destroy` run on
 *                lane 0; the library's destructors run on a short-lived thread after all lanes have ended.
 *                Host functions may be called from any thread, never block, and never call back into the library on
 *                the caller's stack.
 *   Completion.  A token is completed exactly once, from any thread. Tokens are generation-checked numbers: a late
 *                or second completion is counted and ignored.
 *   Exceptions   (and panics, and longjmp) must not cross a function of this contract.
 *
 * Each function says in brackets which threads call it:
 *
 *   [lane 0]            by the host, on the first lane of the version, never two at a time
 *   [any lane]          by the host, on any lane, on several at the same time when the component has several
 *   [any thread]        by the library, from a lane or from a thread of its own, before `destroy` has returned
 *   [that lane]         by the library, only from the lane whose number it passes
 */
#ifndef MESH_PLUGIN_H
#define MESH_PLUGIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Constants --------------------------------------------------------------------------------------------------- */

/* First field of `mesh_component`: the bytes "MESHPLUG", read as a little-endian number. */
#define MESH_MAGIC UINT64_C(0x47554C504853454D)

/* Version of this contract. A host loads only libraries of its own major version; the minor version grows when
 * fields are appended. */
#define MESH_ABI_MAJOR 1
#define MESH_ABI_MINOR 3

/* Name of the one symbol that a component library exports. */
#define MESH_ENTRY_SYMBOL "mesh_component_entry"

/* How a token was completed. An unknown value is treated as MESH_STATUS_ERROR.
 *
 * OK           It worked. For a call the payload is a JSON array of results: `[]` for none, `[r]` for one, `[a,b]`
 *              for more. An empty payload means `[]`. The client sees `ok` with `[null, ...results]`, or with `[]`.
 * ERROR        It failed. For a call the payload is a JSON array whose first element is an object with `message` and
 *              `name` and any further fields; elements after it are handed on. The client sees `error` with it.
 * VALUE_ERROR  A call failed with something that is no error object. The payload is a JSON array whose first element
 *              is a string or a plain object; the client sees `ok` with that array and takes the first element for
 *              the error. Where it is `null` there was no error.
 * PANIC        As ERROR, and the cause was a defect of the component itself, such as a panic: counted against its
 *              version. Since minor version 1. */
#define MESH_STATUS_OK 0
#define MESH_STATUS_ERROR 1
#define MESH_STATUS_VALUE_ERROR 2
#define MESH_STATUS_PANIC 3

/* Levels of `mesh_host.log`: something failed and a person should look; odd but handled; normal and rare; for the
 * author of the component; for the author in detail. */
#define MESH_LEVEL_ERROR 1
#define MESH_LEVEL_WARN 2
#define MESH_LEVEL_INFO 3
#define MESH_LEVEL_DEBUG 4
#define MESH_LEVEL_TRACE 5

/* The kinds of `mesh_work` items. A library ignores kinds that it does not know.
 *
 * START   First item on lane 0, but for RESTORE: get ready, then complete `token` with MESH_STATUS_OK, or with
 *         MESH_STATUS_ERROR and an error object in an array. Calls arrive after that.
 * CALL    A method call. `target` is the method's name on the wire, `payload` a JSON array of arguments, `origin` a
 *         JSON object with the caller's session `id` and, on a secure mesh, `username`. Complete `token`.
 * EVENT   An event that the component subscribed to. `token` is the subscription's, `target` the event's path,
 *         `payload` its data as JSON, `origin` the publication's `_meta` as a JSON object. Nothing to complete.
 * REPLY   The outcome of something that the component asked the host for. `token` is the one the component chose,
 *         `status` a MESH_STATUS_*, `payload` JSON. Nothing to complete.
 * CANCEL  A hint that nobody waits for the call with this `token` any more. Nothing to complete.
 * WAKE    `mesh_host.wake` was called for this lane. Nothing to complete.
 * STOP    Comes on lane 0: finish, then complete `token`. No call arrives after it, replies and events still may.
 *
 * Since minor version 1, all on lane 0:
 *
 * SNAPSHOT  To a component whose descriptor declares `state`: give the state. Complete `token` with MESH_STATUS_OK and
 *           the state as bytes of the component's own choice, or with an error. No call and no event arrives until
 *           RESUME or STOP.
 * RESTORE   To a component whose descriptor declares `state`: take over the state in `payload`, which was written with
 *           the schema number in `method`. Complete `token`, with an error when this is no state that it can read; it
 *           keeps its own then. A new instance gets it before START; one that has started may get it too, when the
 *           version that replaced it is rolled back: the state replaces its own.
 * QUIESCE   Another version has taken over. Calls taken before are still to be answered; what the component does by
 *           itself should pause. Nothing to complete.
 * RESUME    After SNAPSHOT or QUIESCE: it serves again. Nothing to complete.
 * HEALTH    After START, to a component whose descriptor says `"health": true`: complete `token` with MESH_STATUS_OK
 *           when it can serve, else with an error. May come again later.
 *
 * Since minor version 2, on any lane:
 *
 * HTTP    A request for one of the component's web routes, to a component whose descriptor names MESH_HTTP_EXTENSION in
 *         `extensions`. `target` is a JSON object: `route`, its name in the descriptor; `method`, such as "GET"; `url`, path and query
 *         as the client sent them; `path`, what follows the route in it, which is empty or begins with `/` or `.`;
 *         `query`, what follows `?`, or empty; `headers`, an object of texts with names in small letters; `address`, the
 *         client's. `payload` is the body, any bytes. `origin` is as for CALL, and `null` where nobody is known. Complete
 *         `token` with `mesh_http_extension.respond`; `mesh_host.complete` with MESH_STATUS_OK answers with the first
 *         result as JSON, and with an error as status 500. */
#define MESH_WORK_START 1
#define MESH_WORK_CALL 2
#define MESH_WORK_EVENT 3
#define MESH_WORK_REPLY 4
#define MESH_WORK_CANCEL 5
#define MESH_WORK_WAKE 6
#define MESH_WORK_STOP 7
#define MESH_WORK_SNAPSHOT 8
#define MESH_WORK_RESTORE 9
#define MESH_WORK_QUIESCE 10
#define MESH_WORK_RESUME 11
#define MESH_WORK_HEALTH 12
#define MESH_WORK_HTTP 13

/* Names of the host's extensions, for `mesh_host.get_extension`. */
#define MESH_EXCHANGE_EXTENSION "mesh.exchange/1"
#define MESH_EVENTS_EXTENSION "mesh.events/1"
#define MESH_DATA_EXTENSION "mesh.data/1"
#define MESH_TIMER_EXTENSION "mesh.timer/1"
#define MESH_DELEGATION_EXTENSION "mesh.delegation/1"
#define MESH_HTTP_EXTENSION "mesh.http/1"
#define MESH_EXCHANGE_2_EXTENSION "mesh.exchange/2"
#define MESH_EVENTS_2_EXTENSION "mesh.events/2"
#define MESH_DATA_2_EXTENSION "mesh.data/2"
#define MESH_TIMER_2_EXTENSION "mesh.timer/2"

/* The answer of a host, at once, to a request that names the call it is made for. After any but MESH_REQUEST_TAKEN nothing was
 * asked for. Since minor version 3. */
#define MESH_REQUEST_TAKEN 0           /* It was taken. */
#define MESH_REQUEST_NO_CALL 1         /* `call` is no call, or `event` no subscription, of this instance; or both. */
#define MESH_REQUEST_NO_LANE 2         /* `lane` is no lane of this instance. */
#define MESH_REQUEST_BAD_TOKEN 3       /* `token` is 0, or that of a subscription that the instance has already. */
#define MESH_REQUEST_BAD_NAME 4        /* A component, method, key or path is empty or no UTF-8 text. */
#define MESH_REQUEST_BAD_RANGE 5       /* The range is no npm version range. */
#define MESH_REQUEST_BAD_JSON 6        /* Arguments are no JSON array; a value or the data of an event is no JSON. */
#define MESH_REQUEST_BAD_OPTIONS 7     /* The options are no JSON object, or a member has a value of another type. */
#define MESH_REQUEST_BAD_TRACEPARENT 8 /* `traceparent` is none of version 00. */
#define MESH_REQUEST_BAD_STRUCT 9      /* The mesh_request is null, or shorter than in minor version 3. */
#define MESH_REQUEST_UNKNOWN 10        /* No request, or no subscription, of the instance has that number. */
#define MESH_REQUEST_DENIED 11         /* The caller may not do that. Requests with a reply say so there. */
#define MESH_REQUEST_ENDED 12          /* The instance has ended. */
#define MESH_REQUEST_FULL 13           /* The instance has too many requests. */
#define MESH_REQUEST_FAILED 14         /* The host failed to do it, and its log says why. */

/* ---- Values ------------------------------------------------------------------------------------------------------ */

/* A number that stands for one thing awaiting completion. Zero is never a valid token. */
typedef uint64_t mesh_token;

/* Borrowed bytes. Text is UTF-8 without a terminating zero. `data` may be null only when `length` is 0. */
typedef struct mesh_slice {
    const uint8_t *data; /* First byte. */
    size_t length;       /* Number of bytes. */
} mesh_slice;

/* One piece of work that the host hands to a lane. All slices are borrowed for the call of `work`, or until the next
 * `take` on the same lane. In an array of items use `mesh_work_next` or `mesh_work_at`: a newer host's items are
 * longer. All items of an array have the same size, a multiple of 8. */
typedef struct mesh_work {
    uint32_t struct_size;           /* Size of this struct as the host was compiled: the distance between items. */
    uint32_t kind;                  /* A MESH_WORK_*. */
    mesh_token token;               /* The subject of this item; see MESH_WORK_*. */
    int32_t status;                 /* REPLY: how it ended, a MESH_STATUS_*. */
    uint32_t deadline_milliseconds; /* CALL, HTTP: milliseconds until nobody waits for the answer any more. */
    uint32_t method;                /* CALL: position in the descriptor's `methods`; UINT32_MAX when unknown.
                                     * HTTP: position in `routes`. RESTORE: schema number of the state. */
    uint32_t reserved;              /* Zero. */
    mesh_slice target;              /* See MESH_WORK_*. */
    mesh_slice payload;             /* See MESH_WORK_*. */
    mesh_slice origin;              /* See MESH_WORK_*. */
} mesh_work;

/* ---- The host's services for an instance ------------------------------------------------------------------------ */

/* The host's functions for one instance. Valid from `create` until `destroy` has returned. Every function is
 * thread-safe, never blocks, and borrows its slices only until it returns. Pass `context` as first argument. */
typedef struct mesh_host {
    uint32_t struct_size; /* Size of this struct as the host was compiled, in bytes. */
    uint16_t abi_major;   /* MESH_ABI_MAJOR of the host. */
    uint16_t abi_minor;   /* MESH_ABI_MINOR of the host. */
    const void *context;  /* The first argument of every function below. */

    /* [any thread] Answers the work item with this token. `payload` by `status` is described at MESH_STATUS_*. */
    void (*complete)(const void *context, mesh_token token, int32_t status, mesh_slice payload);

    /* [lane 0, within create] Says in one sentence why `create` is about to return MESH_STATUS_ERROR. */
    void (*fail)(const void *context, mesh_slice message);

    /* [any thread] Writes to the host's log. `level` is a MESH_LEVEL_*; `target` names the part of the component. The
     * member `logLevel` of `info` says which levels the host writes at all. */
    void (*log)(const void *context, int32_t level, mesh_slice target, mesh_slice message);

    /* [any thread] Queues an item of kind MESH_WORK_WAKE for a lane. Wakes asked for before the lane looked are
     * folded into one. */
    void (*wake)(const void *context, uint32_t lane);

    /* [that lane, within run] Fetches the waiting work without blocking. Returns the number of items and stores where
     * they are; they stay valid until the next `take` on that lane. Returns -1 when the lane is closed: the library
     * then leaves `run`. */
    int64_t (*take)(const void *context, uint32_t lane, const mesh_work **items);

    /* [any thread] A descriptor (Linux eventfd) that becomes readable when the lane has work. The library reads it
     * empty before it calls `take`. The host owns and closes it after `run` has returned. -1 when there is none. */
    int32_t (*lane_descriptor)(const void *context, uint32_t lane);

    /* [any thread] Looks up a named extension of the host, such as MESH_EXCHANGE_EXTENSION; null when the host does
     * not know the name. The returned table is static: valid as long as the host table. A look-up has no effect: the
     * descriptor says which extensions a component uses. */
    const void *(*get_extension)(const void *context, mesh_slice name);
} mesh_host;

/* ---- The library's part for the host ---------------------------------------------------------------------------- */

/* The functions of a component library. Static. The host calls all of them on lanes only. */
typedef struct mesh_vtable {
    uint32_t struct_size; /* Size of this struct as the library was compiled, in bytes. */
    uint32_t reserved;    /* Zero. */

    /* [lane 0] Makes one instance; required. `host` stays valid until `destroy` has returned; `info` and `config` are
     * JSON objects, borrowed for the call. Returns MESH_STATUS_OK and stores the instance, or stores nothing, reports
     * the reason with `mesh_host.fail` and returns MESH_STATUS_ERROR. */
    int32_t (*create)(const mesh_host *host, mesh_slice info, mesh_slice config, void **instance);

    /* [any lane] Handles `count` items in order; required unless `run` is there. Returns soon; what takes longer is
     * completed later. Items and their slices are borrowed for the call. */
    void (*work)(void *instance, uint32_t lane, const mesh_work *items, size_t count);

    /* [any lane] Optional, may be null. Where present, a lane runs this function for its whole life instead of having
     * work pushed: the library waits on `mesh_host.lane_descriptor`, fetches work with `mesh_host.take` and returns
     * when `take` says that the lane is closed. */
    void (*run)(void *instance, uint32_t lane);

    /* [lane 0] Frees the instance; required. All other lanes have ended. Threads that the library started must have
     * ended when this returns. */
    void (*destroy)(void *instance);
} mesh_vtable;

/* The description of a library. Static: it and everything it points to live as long as the library is loaded, and
 * nothing of it ever changes. */
typedef struct mesh_component {
    uint64_t magic;                  /* MESH_MAGIC. */
    uint32_t struct_size;            /* Size of this struct as the library was compiled, in bytes. */
    uint16_t abi_major;              /* MESH_ABI_MAJOR of the library. */
    uint16_t abi_minor;              /* MESH_ABI_MINOR of the library. */
    uint16_t minimum_host_abi_minor; /* The smallest minor version of the host that the library can work with. */
    uint16_t reserved[3];            /* Zero. */
    mesh_slice sdk;                  /* Free text naming the SDK and compiler, for people: "c11". */
    mesh_slice name;                 /* Component name, such as "calc". The host may register it under another. */
    mesh_slice version;              /* Strict semantic version, such as "1.2.3". */
    mesh_slice descriptor;           /* JSON object: methods, events, routes, data, state, health and extensions. */
    const mesh_vtable *vtable;       /* The library's functions; never null. */

    /* [lane 0] Looks up a named extension that the library offers; null when it does not know the name. May itself
     * be null. The returned table is static. */
    const void *(*get_extension)(mesh_slice name);
} mesh_component;

#if defined(__GNUC__) || defined(__clang__)
#define MESH_EXPORT __attribute__((visibility("default")))
#elif defined(_WIN32)
#define MESH_EXPORT __declspec(dllexport)
#else
#define MESH_EXPORT
#endif

/* [lane 0; a tool that inspects libraries calls it on a thread of its own] The one function that a component library
 * defines and exports. Returns a static description. Must have no side effects. */
MESH_EXPORT const mesh_component *mesh_component_entry(void);

/* ---- Extensions of the host -------------------------------------------------------------------------------------- */

/* Every function takes `mesh_host.context` first, may be called from [any thread], and borrows its slices only until
 * it returns. Where a function takes a lane and a token, the outcome arrives on that lane as MESH_WORK_REPLY with
 * that token, which the component chooses itself: any number but 0, unique among its unanswered requests. */

/* MESH_EXCHANGE_EXTENSION: calls of other components. */
typedef struct mesh_exchange_extension {
    uint32_t struct_size; /* Size of this struct as the host was compiled, in bytes. */
    uint32_t reserved;    /* Zero. */

    /* [any thread] Calls `component`'s `method` with a JSON array of arguments. `range` is an npm version range, empty
     * for any. `timeout_milliseconds` 0 means the host's own limit. The reply's payload is as for MESH_STATUS_*. */
    void (*call)(const void *context, uint32_t lane, mesh_token token, mesh_slice component, mesh_slice method,
                 mesh_slice range, mesh_slice arguments, uint32_t timeout_milliseconds);
} mesh_exchange_extension;

/* MESH_EVENTS_EXTENSION: publishing events, and hearing those of other components. */
typedef struct mesh_events_extension {
    uint32_t struct_size; /* Size of this struct as the host was compiled, in bytes. */
    uint32_t reserved;    /* Zero. */

    /* [any thread] Publishes `data` (JSON) as the component's event `key`. `options` is a JSON object or empty:
     * `noStore` (default true), `targetClients`. Events emitted on one thread are delivered in that order, and before
     * the answer of a call that is completed afterwards on the same thread. */
    void (*emit)(const void *context, mesh_slice key, mesh_slice data, mesh_slice options);

    /* [any thread] Subscribes to events `key` (wildcards `*`, and `**` at the end) of `component`, of versions inside
     * `range` (empty for all). Events arrive on `lane` as MESH_WORK_EVENT with `subscription` as token, chosen by the
     * component, until `unsubscribe`. */
    void (*subscribe)(const void *context, uint32_t lane, mesh_token subscription, mesh_slice component,
                      mesh_slice key, mesh_slice range);

    /* [any thread] Ends a subscription. Events already on their way may still arrive. */
    void (*unsubscribe)(const void *context, mesh_token subscription);
} mesh_events_extension;

/* MESH_DATA_EXTENSION: the component's own data, stored under `/_data/<component>/`. */
typedef struct mesh_data_extension {
    uint32_t struct_size; /* Size of this struct as the host was compiled, in bytes. */
    uint32_t reserved;    /* Zero. */

    /* [any thread] Stores `value` (JSON) at `path`. The reply's payload is the stored item with its `_meta`. */
    void (*set)(const void *context, uint32_t lane, mesh_token token, mesh_slice path, mesh_slice value,
                mesh_slice options);

    /* [any thread] Reads `path`. The reply's payload is the item with its `_meta`, `null` when there is none, or for a
     * path with wildcards an array of items. */
    void (*get)(const void *context, uint32_t lane, mesh_token token, mesh_slice path, mesh_slice options);

    /* [any thread] Removes `path`. The reply's payload is `{"removed":n}`. */
    void (*remove)(const void *context, uint32_t lane, mesh_token token, mesh_slice path, mesh_slice options);
} mesh_data_extension;

/* MESH_TIMER_EXTENSION: waiting without a thread. */
typedef struct mesh_timer_extension {
    uint32_t struct_size; /* Size of this struct as the host was compiled, in bytes. */
    uint32_t reserved;    /* Zero. */

    /* [any thread] Replies after that many milliseconds, with an empty payload. */
    void (*after)(const void *context, uint32_t lane, mesh_token token, uint64_t milliseconds);
} mesh_timer_extension;

/* MESH_DELEGATION_EXTENSION: doing what a caller asked for with the rights of that caller. `get_extension` returns null
 * where authority delegation is off for the component: it then asks for everything as itself, as a component does that
 * never calls `act_for`. */
typedef struct mesh_delegation_extension {
    uint32_t struct_size; /* Size of this struct as the host was compiled, in bytes. */
    uint32_t reserved;    /* Zero. */

    /* [any thread] From now on the calling thread's requests to the host (calls, events, data) are made for the
     * caller of `call`, the token of a MESH_WORK_CALL of this instance; 0 ends that. A request that the caller may not
     * make fails with an error named AccessDenied, and an event is dropped. When the call was completed or given up,
     * nothing more can be asked for its caller: that is denied, too. */
    void (*act_for)(const void *context, mesh_token call);
} mesh_delegation_extension;

/* MESH_HTTP_EXTENSION: answering requests for web routes. A host sends MESH_WORK_HTTP only to components that name this in
 * `extensions` of their descriptor. Those of minor version 2 said so by looking it up. Since minor version 2. */
typedef struct mesh_http_extension {
    uint32_t struct_size; /* Size of this struct as the host was compiled, in bytes. */
    uint32_t reserved;    /* Zero. */

    /* [any thread] Completes the MESH_WORK_HTTP with this token. `status` is 200 to 599. `headers` is a JSON object of
     * texts, or of arrays of texts for headers that come more than once, or empty; those about the connection and the
     * length of the body are the host's own and left out. `body` is any bytes. */
    void (*respond)(const void *context, mesh_token token, uint32_t status, mesh_slice headers, mesh_slice body);
} mesh_http_extension;

/* ---- Extensions of the host whose requests name the call they are made for. Since minor version 3 ----------------- */

/* Every function returns a MESH_REQUEST_* at once. After MESH_REQUEST_TAKEN the outcome arrives as a MESH_WORK_REPLY, as
 * for the first versions of these extensions, unless the component cancels the request. `id` may be null. Else it gets the
 * number that cancels the request, before the function returns. When the call was given up or cancelled, the host cancels
 * the requests that were made for it, and each gets a reply with an error named Cancelled. When the component has
 * completed the call, they go on. */

/* For what a request is made, and where its outcome arrives. The library makes it. */
typedef struct mesh_request {
    uint32_t struct_size; /* Size of this struct as the library was compiled, in bytes. */
    uint32_t lane;        /* The lane where the reply, or the event, arrives. `emit` does not look at it. */
    mesh_token call;      /* The token of the CALL or HTTP that it is made for, not completed yet; 0 for none. */
    mesh_token event;     /* The token of the EVENT that it is made for: its subscription's; 0 for none. With both
                           * fields 0 the component asks for itself. */
    mesh_token token;     /* The number of the reply, or of the event: any but 0. `emit` does not look at it. */
    mesh_slice traceparent; /* The W3C trace context that a called component gets; empty: that of the call. */
} mesh_request;

/* MESH_EXCHANGE_2_EXTENSION: calls of other components. */
typedef struct mesh_exchange_2_extension {
    uint32_t struct_size; /* Size of this struct as the host was compiled, in bytes. */
    uint32_t reserved;    /* Zero. */

    /* [any thread] As `call` of mesh_exchange_extension. It takes no longer than the call that it is made for may. */
    int32_t (*call)(const void *context, const mesh_request *request, mesh_slice component, mesh_slice method,
                    mesh_slice range, mesh_slice arguments, uint32_t timeout_milliseconds, mesh_token *id);

    /* [any thread] Cancels the request of this extension, or of another one here, with this number. After
     * MESH_REQUEST_TAKEN no reply comes. After MESH_REQUEST_UNKNOWN the reply came or is on its way. */
    int32_t (*cancel)(const void *context, mesh_token id);
} mesh_exchange_2_extension;

/* MESH_EVENTS_2_EXTENSION: publishing events, and hearing those of other components. */
typedef struct mesh_events_2_extension {
    uint32_t struct_size; /* Size of this struct as the host was compiled, in bytes. */
    uint32_t reserved;    /* Zero. */

    /* [any thread] As `emit` of mesh_events_extension. */
    int32_t (*emit)(const void *context, const mesh_request *request, mesh_slice key, mesh_slice data,
                    mesh_slice options);

    /* [any thread] As `subscribe` of mesh_events_extension; `token` of the request is the subscription's. */
    int32_t (*subscribe)(const void *context, const mesh_request *request, mesh_slice component, mesh_slice key,
                         mesh_slice range);

    /* [any thread] As `unsubscribe` of mesh_events_extension. */
    int32_t (*unsubscribe)(const void *context, mesh_token subscription);
} mesh_events_2_extension;

/* MESH_DATA_2_EXTENSION: the component's own data, stored under `/_data/<component>/`. */
typedef struct mesh_data_2_extension {
    uint32_t struct_size; /* Size of this struct as the host was compiled, in bytes. */
    uint32_t reserved;    /* Zero. */

    /* [any thread] As `set` of mesh_data_extension. */
    int32_t (*set)(const void *context, const mesh_request *request, mesh_slice path, mesh_slice value,
                   mesh_slice options, mesh_token *id);

    /* [any thread] As `get` of mesh_data_extension. */
    int32_t (*get)(const void *context, const mesh_request *request, mesh_slice path, mesh_slice options,
                   mesh_token *id);

    /* [any thread] As `remove` of mesh_data_extension. */
    int32_t (*remove)(const void *context, const mesh_request *request, mesh_slice path, mesh_slice options,
                      mesh_token *id);

    /* [any thread] As `cancel` of mesh_exchange_2_extension. Documents that were written stay so, and a removal that has
     * begun goes on. */
    int32_t (*cancel)(const void *context, mesh_token id);
} mesh_data_2_extension;

/* MESH_TIMER_2_EXTENSION: waiting without a thread. */
typedef struct mesh_timer_2_extension {
    uint32_t struct_size; /* Size of this struct as the host was compiled, in bytes. */
    uint32_t reserved;    /* Zero. */

    /* [any thread] As `after` of mesh_timer_extension. */
    int32_t (*after)(const void *context, const mesh_request *request, uint64_t milliseconds, mesh_token *id);

    /* [any thread] As `cancel` of mesh_exchange_2_extension. */
    int32_t (*cancel)(const void *context, mesh_token id);
} mesh_timer_2_extension;
/* ---- First sizes ------------------------------------------------------------------------------------------------- */

/* The bytes of a struct up to the end of a field. */
#define mesh_end_of(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))

/* The bytes of each struct in the minor version that brought it: the least that a writer may give. They never change.
 * The fields up to there may be used without asking. */
#define MESH_WORK_SIZE_1_0 mesh_end_of(mesh_work, origin)
#define MESH_HOST_SIZE_1_0 mesh_end_of(mesh_host, get_extension)
#define MESH_VTABLE_SIZE_1_0 mesh_end_of(mesh_vtable, destroy)
#define MESH_COMPONENT_SIZE_1_0 mesh_end_of(mesh_component, get_extension)
#define MESH_EXCHANGE_EXTENSION_SIZE_1_0 mesh_end_of(mesh_exchange_extension, call)
#define MESH_EVENTS_EXTENSION_SIZE_1_0 mesh_end_of(mesh_events_extension, unsubscribe)
#define MESH_DATA_EXTENSION_SIZE_1_0 mesh_end_of(mesh_data_extension, remove)
#define MESH_TIMER_EXTENSION_SIZE_1_0 mesh_end_of(mesh_timer_extension, after)
#define MESH_DELEGATION_EXTENSION_SIZE_1_1 mesh_end_of(mesh_delegation_extension, act_for)
#define MESH_HTTP_EXTENSION_SIZE_1_2 mesh_end_of(mesh_http_extension, respond)
#define MESH_REQUEST_SIZE_1_3 mesh_end_of(mesh_request, traceparent)
#define MESH_EXCHANGE_2_EXTENSION_SIZE_1_3 mesh_end_of(mesh_exchange_2_extension, cancel)
#define MESH_EVENTS_2_EXTENSION_SIZE_1_3 mesh_end_of(mesh_events_2_extension, unsubscribe)
#define MESH_DATA_2_EXTENSION_SIZE_1_3 mesh_end_of(mesh_data_2_extension, cancel)
#define MESH_TIMER_2_EXTENSION_SIZE_1_3 mesh_end_of(mesh_timer_2_extension, cancel)

/* ---- Helpers: conveniences of this header, no part of the contract ----------------------------------------------- */

/* Whether a struct of `size` bytes, as its writer gave it, contains `field`. Ask before using a field that was
 * appended later: `if (mesh_has_field(host->struct_size, mesh_host, field)) ...`. */
#define mesh_has_field(size, type, field) ((size_t)(size) >= mesh_end_of(type, field))

/* A string literal as a slice: in an expression, and as the initializer of a static variable or field. */
#define mesh_text(literal) mesh_bytes("" literal "", sizeof(literal) - 1)
#define MESH_TEXT_INITIALIZER(literal) {(const uint8_t *)("" literal ""), sizeof(literal) - 1}

/* A slice of `length` bytes from `data`. Borrows them. */
static inline mesh_slice mesh_bytes(const void *data, size_t length) {
    mesh_slice slice;
    slice.data = (const uint8_t *)data;
    slice.length = length;
    return slice;
}

/* The empty slice. */
static inline mesh_slice mesh_empty(void) {
    return mesh_bytes(NULL, 0);
}

/* Whether two slices hold the same bytes: 1 or 0. */
static inline int mesh_equal(mesh_slice left, mesh_slice right) {
    return left.length == right.length && (left.length == 0 || memcmp(left.data, right.data, left.length) == 0);
}

/* Whether an item can be read, and the one behind it found: 1 or 0. It is 1 for each item of a host that keeps the
 * contract. */
static inline int mesh_work_is_readable(const mesh_work *item) {
    return item->struct_size >= MESH_WORK_SIZE_1_0 && item->struct_size % sizeof(void *) == 0;
}

/* The item behind another one in an array that the host gave. */
static inline const mesh_work *mesh_work_next(const mesh_work *item) {
    const void *next = (const uint8_t *)item + item->struct_size;
    return (const mesh_work *)next;
}

/* Item number `index` of an array that the host gave; index must be less than the count that came with it. */
static inline const mesh_work *mesh_work_at(const mesh_work *items, size_t index) {
    const void *item = (const uint8_t *)items + index * items->struct_size;
    return (const mesh_work *)item;
}

/* ---- Layout on 64-bit machines, frozen: fields never move; a size grows with a new minor version only ------------ */

#if defined(__cplusplus)
#define MESH_STATIC_ASSERT static_assert
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define MESH_STATIC_ASSERT _Static_assert
#endif

#if defined(MESH_STATIC_ASSERT) && UINTPTR_MAX == UINT64_MAX

#define MESH_ASSERT_SIZE(type, size) \
    MESH_STATIC_ASSERT(sizeof(type) == (size), "the size of " #type " changes only with a new minor version")
#define MESH_ASSERT_OFFSET(type, field, offset) \
    MESH_STATIC_ASSERT(offsetof(type, field) == (offset), "the place of " #type "." #field " must never change")
#define MESH_ASSERT_FIRST_SIZE(constant, size) \
    MESH_STATIC_ASSERT((constant) == (size), #constant " must never change")

MESH_ASSERT_SIZE(mesh_slice, 16);
MESH_ASSERT_OFFSET(mesh_slice, data, 0);
MESH_ASSERT_OFFSET(mesh_slice, length, 8);

MESH_ASSERT_SIZE(mesh_work, 80);
MESH_ASSERT_OFFSET(mesh_work, struct_size, 0);
MESH_ASSERT_OFFSET(mesh_work, kind, 4);
MESH_ASSERT_OFFSET(mesh_work, token, 8);
MESH_ASSERT_OFFSET(mesh_work, status, 16);
MESH_ASSERT_OFFSET(mesh_work, deadline_milliseconds, 20);
MESH_ASSERT_OFFSET(mesh_work, method, 24);
MESH_ASSERT_OFFSET(mesh_work, reserved, 28);
MESH_ASSERT_OFFSET(mesh_work, target, 32);
MESH_ASSERT_OFFSET(mesh_work, payload, 48);
MESH_ASSERT_OFFSET(mesh_work, origin, 64);
MESH_ASSERT_FIRST_SIZE(MESH_WORK_SIZE_1_0, 80);

MESH_ASSERT_SIZE(mesh_host, 72);
MESH_ASSERT_OFFSET(mesh_host, struct_size, 0);
MESH_ASSERT_OFFSET(mesh_host, abi_major, 4);
MESH_ASSERT_OFFSET(mesh_host, abi_minor, 6);
MESH_ASSERT_OFFSET(mesh_host, context, 8);
MESH_ASSERT_OFFSET(mesh_host, complete, 16);
MESH_ASSERT_OFFSET(mesh_host, fail, 24);
MESH_ASSERT_OFFSET(mesh_host, log, 32);
MESH_ASSERT_OFFSET(mesh_host, wake, 40);
MESH_ASSERT_OFFSET(mesh_host, take, 48);
MESH_ASSERT_OFFSET(mesh_host, lane_descriptor, 56);
MESH_ASSERT_OFFSET(mesh_host, get_extension, 64);
MESH_ASSERT_FIRST_SIZE(MESH_HOST_SIZE_1_0, 72);

MESH_ASSERT_SIZE(mesh_vtable, 40);
MESH_ASSERT_OFFSET(mesh_vtable, struct_size, 0);
MESH_ASSERT_OFFSET(mesh_vtable, reserved, 4);
MESH_ASSERT_OFFSET(mesh_vtable, create, 8);
MESH_ASSERT_OFFSET(mesh_vtable, work, 16);
MESH_ASSERT_OFFSET(mesh_vtable, run, 24);
MESH_ASSERT_OFFSET(mesh_vtable, destroy, 32);
MESH_ASSERT_FIRST_SIZE(MESH_VTABLE_SIZE_1_0, 40);

MESH_ASSERT_SIZE(mesh_component, 104);
MESH_ASSERT_OFFSET(mesh_component, magic, 0);
MESH_ASSERT_OFFSET(mesh_component, struct_size, 8);
MESH_ASSERT_OFFSET(mesh_component, abi_major, 12);
MESH_ASSERT_OFFSET(mesh_component, abi_minor, 14);
MESH_ASSERT_OFFSET(mesh_component, minimum_host_abi_minor, 16);
MESH_ASSERT_OFFSET(mesh_component, reserved, 18);
MESH_ASSERT_OFFSET(mesh_component, sdk, 24);
MESH_ASSERT_OFFSET(mesh_component, name, 40);
MESH_ASSERT_OFFSET(mesh_component, version, 56);
MESH_ASSERT_OFFSET(mesh_component, descriptor, 72);
MESH_ASSERT_OFFSET(mesh_component, vtable, 88);
MESH_ASSERT_OFFSET(mesh_component, get_extension, 96);
MESH_ASSERT_FIRST_SIZE(MESH_COMPONENT_SIZE_1_0, 104);

MESH_ASSERT_SIZE(mesh_exchange_extension, 16);
MESH_ASSERT_OFFSET(mesh_exchange_extension, struct_size, 0);
MESH_ASSERT_OFFSET(mesh_exchange_extension, reserved, 4);
MESH_ASSERT_OFFSET(mesh_exchange_extension, call, 8);
MESH_ASSERT_FIRST_SIZE(MESH_EXCHANGE_EXTENSION_SIZE_1_0, 16);

MESH_ASSERT_SIZE(mesh_events_extension, 32);
MESH_ASSERT_OFFSET(mesh_events_extension, struct_size, 0);
MESH_ASSERT_OFFSET(mesh_events_extension, reserved, 4);
MESH_ASSERT_OFFSET(mesh_events_extension, emit, 8);
MESH_ASSERT_OFFSET(mesh_events_extension, subscribe, 16);
MESH_ASSERT_OFFSET(mesh_events_extension, unsubscribe, 24);
MESH_ASSERT_FIRST_SIZE(MESH_EVENTS_EXTENSION_SIZE_1_0, 32);

MESH_ASSERT_SIZE(mesh_data_extension, 32);
MESH_ASSERT_OFFSET(mesh_data_extension, struct_size, 0);
MESH_ASSERT_OFFSET(mesh_data_extension, reserved, 4);
MESH_ASSERT_OFFSET(mesh_data_extension, set, 8);
MESH_ASSERT_OFFSET(mesh_data_extension, get, 16);
MESH_ASSERT_OFFSET(mesh_data_extension, remove, 24);
MESH_ASSERT_FIRST_SIZE(MESH_DATA_EXTENSION_SIZE_1_0, 32);

MESH_ASSERT_SIZE(mesh_timer_extension, 16);
MESH_ASSERT_OFFSET(mesh_timer_extension, struct_size, 0);
MESH_ASSERT_OFFSET(mesh_timer_extension, reserved, 4);
MESH_ASSERT_OFFSET(mesh_timer_extension, after, 8);
MESH_ASSERT_FIRST_SIZE(MESH_TIMER_EXTENSION_SIZE_1_0, 16);

MESH_ASSERT_SIZE(mesh_delegation_extension, 16);
MESH_ASSERT_OFFSET(mesh_delegation_extension, struct_size, 0);
MESH_ASSERT_OFFSET(mesh_delegation_extension, reserved, 4);
MESH_ASSERT_OFFSET(mesh_delegation_extension, act_for, 8);
MESH_ASSERT_FIRST_SIZE(MESH_DELEGATION_EXTENSION_SIZE_1_1, 16);

MESH_ASSERT_SIZE(mesh_http_extension, 16);
MESH_ASSERT_OFFSET(mesh_http_extension, struct_size, 0);
MESH_ASSERT_OFFSET(mesh_http_extension, reserved, 4);
MESH_ASSERT_OFFSET(mesh_http_extension, respond, 8);
MESH_ASSERT_FIRST_SIZE(MESH_HTTP_EXTENSION_SIZE_1_2, 16);

MESH_ASSERT_SIZE(mesh_request, 48);
MESH_ASSERT_OFFSET(mesh_request, struct_size, 0);
MESH_ASSERT_OFFSET(mesh_request, lane, 4);
MESH_ASSERT_OFFSET(mesh_request, call, 8);
MESH_ASSERT_OFFSET(mesh_request, event, 16);
MESH_ASSERT_OFFSET(mesh_request, token, 24);
MESH_ASSERT_OFFSET(mesh_request, traceparent, 32);
MESH_ASSERT_FIRST_SIZE(MESH_REQUEST_SIZE_1_3, 48);

MESH_ASSERT_SIZE(mesh_exchange_2_extension, 24);
MESH_ASSERT_OFFSET(mesh_exchange_2_extension, struct_size, 0);
MESH_ASSERT_OFFSET(mesh_exchange_2_extension, reserved, 4);
MESH_ASSERT_OFFSET(mesh_exchange_2_extension, call, 8);
MESH_ASSERT_OFFSET(mesh_exchange_2_extension, cancel, 16);
MESH_ASSERT_FIRST_SIZE(MESH_EXCHANGE_2_EXTENSION_SIZE_1_3, 24);

MESH_ASSERT_SIZE(mesh_events_2_extension, 32);
MESH_ASSERT_OFFSET(mesh_events_2_extension, struct_size, 0);
MESH_ASSERT_OFFSET(mesh_events_2_extension, reserved, 4);
MESH_ASSERT_OFFSET(mesh_events_2_extension, emit, 8);
MESH_ASSERT_OFFSET(mesh_events_2_extension, subscribe, 16);
MESH_ASSERT_OFFSET(mesh_events_2_extension, unsubscribe, 24);
MESH_ASSERT_FIRST_SIZE(MESH_EVENTS_2_EXTENSION_SIZE_1_3, 32);

MESH_ASSERT_SIZE(mesh_data_2_extension, 40);
MESH_ASSERT_OFFSET(mesh_data_2_extension, struct_size, 0);
MESH_ASSERT_OFFSET(mesh_data_2_extension, reserved, 4);
MESH_ASSERT_OFFSET(mesh_data_2_extension, set, 8);
MESH_ASSERT_OFFSET(mesh_data_2_extension, get, 16);
MESH_ASSERT_OFFSET(mesh_data_2_extension, remove, 24);
MESH_ASSERT_OFFSET(mesh_data_2_extension, cancel, 32);
MESH_ASSERT_FIRST_SIZE(MESH_DATA_2_EXTENSION_SIZE_1_3, 40);

MESH_ASSERT_SIZE(mesh_timer_2_extension, 24);
MESH_ASSERT_OFFSET(mesh_timer_2_extension, struct_size, 0);
MESH_ASSERT_OFFSET(mesh_timer_2_extension, reserved, 4);
MESH_ASSERT_OFFSET(mesh_timer_2_extension, after, 8);
MESH_ASSERT_OFFSET(mesh_timer_2_extension, cancel, 16);
MESH_ASSERT_FIRST_SIZE(MESH_TIMER_2_EXTENSION_SIZE_1_3, 24);

#endif

#ifdef __cplusplus
}
#endif

#endif
