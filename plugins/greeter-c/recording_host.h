/*
 * A host made of a few functions, for tests of components in C.
 *
 * Enters: what the component asks for. Leaves: a record of it for the test to look at, and a line for each
 * failed expectation.
 */
#ifndef GREETER_RECORDING_HOST_H
#define GREETER_RECORDING_HOST_H

#include "mesh_plugin.h"

#include <pthread.h>
#include <stdio.h>

enum { TEXT_KEPT = 4096 };

struct recorded {
    size_t completions;
    mesh_token token;
    int32_t status;
    char payload[TEXT_KEPT];
    size_t events;
    char event[TEXT_KEPT];
    size_t timers;
    uint64_t milliseconds;
    size_t calls;
    char called[TEXT_KEPT];
    uint32_t lane;
    char failure[TEXT_KEPT];
};

static struct recorded recorded;
static pthread_mutex_t recording = PTHREAD_MUTEX_INITIALIZER;
static int failures;
static const int THE_CONTEXT = 4711;

static void keep(char *place, mesh_slice text) {
    size_t length = text.length < TEXT_KEPT - 1 ? text.length : TEXT_KEPT - 1;
    if (length > 0) {
        memcpy(place, text.data, length);
    }
    place[length] = '\0';
}

static void expect(int holds, const char *what, const char *found) {
    if (!holds) {
        failures++;
        fprintf(stderr, "FAILED: %s; found: %s\n", what, found);
    }
}

static void expect_context(const void *context) {
    expect(context == &THE_CONTEXT, "the host's context is passed back", "another pointer");
}

static void host_complete(const void *context, mesh_token token, int32_t status, mesh_slice payload) {
    expect_context(context);
    pthread_mutex_lock(&recording);
    recorded.completions++;
    recorded.token = token;
    recorded.status = status;
    keep(recorded.payload, payload);
    pthread_mutex_unlock(&recording);
}

static void host_fail(const void *context, mesh_slice message) {
    expect_context(context);
    keep(recorded.failure, message);
}

static void host_log(const void *context, int32_t level, mesh_slice target, mesh_slice message) {
    expect_context(context);
    (void)level, (void)target, (void)message;
}

static void host_wake(const void *context, uint32_t lane) {
    expect_context(context);
    (void)lane;
}

static int64_t host_take(const void *context, uint32_t lane, const mesh_work **items) {
    expect_context(context);
    (void)lane, (void)items;
    return -1;
}

static int32_t host_lane_descriptor(const void *context, uint32_t lane) {
    expect_context(context);
    (void)lane;
    return -1;
}

static void exchange_call(const void *context, uint32_t lane, mesh_token token, mesh_slice component,
                          mesh_slice method, mesh_slice range, mesh_slice arguments, uint32_t timeout_milliseconds) {
    expect_context(context);
    (void)range;
    char parts[3][TEXT_KEPT / 4];
    snprintf(parts[0], sizeof parts[0], "%.*s", (int)component.length, (const char *)component.data);
    snprintf(parts[1], sizeof parts[1], "%.*s", (int)method.length, (const char *)method.data);
    snprintf(parts[2], sizeof parts[2], "%.*s", (int)arguments.length, (const char *)arguments.data);
    recorded.calls++;
    recorded.token = token;
    recorded.lane = lane;
    recorded.milliseconds = timeout_milliseconds;
    snprintf(recorded.called, sizeof recorded.called, "%s/%s%s", parts[0], parts[1], parts[2]);
}

static void events_emit(const void *context, mesh_slice key, mesh_slice data, mesh_slice options) {
    expect_context(context);
    expect(options.length == 0, "no options", "some");
    expect(mesh_equal(key, mesh_text("greeted")), "the event is named greeted", "another name");
    recorded.events++;
    keep(recorded.event, data);
}

static void events_subscribe(const void *context, uint32_t lane, mesh_token subscription, mesh_slice component,
                             mesh_slice key, mesh_slice range) {
    expect_context(context);
    (void)lane, (void)subscription, (void)component, (void)key, (void)range;
}

static void events_unsubscribe(const void *context, mesh_token subscription) {
    expect_context(context);
    (void)subscription;
}

static void timer_after(const void *context, uint32_t lane, mesh_token token, uint64_t milliseconds) {
    expect_context(context);
    recorded.timers++;
    recorded.token = token;
    recorded.lane = lane;
    recorded.milliseconds = milliseconds;
}

static const mesh_exchange_extension EXCHANGE = {sizeof EXCHANGE, 0, exchange_call};
static const mesh_events_extension EVENTS = {sizeof EVENTS, 0, events_emit, events_subscribe, events_unsubscribe};
static const mesh_timer_extension TIMER = {sizeof TIMER, 0, timer_after};

static const void *host_extension(const void *context, mesh_slice name) {
    expect_context(context);
    if (mesh_equal(name, mesh_text(MESH_EXCHANGE_EXTENSION))) {
        return &EXCHANGE;
    }
    if (mesh_equal(name, mesh_text(MESH_EVENTS_EXTENSION))) {
        return &EVENTS;
    }
    return mesh_equal(name, mesh_text(MESH_TIMER_EXTENSION)) ? &TIMER : NULL;
}

static const void *no_extension(const void *context, mesh_slice name) {
    expect_context(context);
    (void)name;
    return NULL;
}

/* A host of a later minor version: its table goes on after what the component knows. */
static const struct {
    mesh_host known;
    void (*later)(void);
} HOST = {{sizeof HOST, MESH_ABI_MAJOR, MESH_ABI_MINOR + 1, &THE_CONTEXT, host_complete, host_fail, host_log,
           host_wake, host_take, host_lane_descriptor, host_extension},
          NULL};

static const mesh_host BARE_HOST = {
    sizeof(mesh_host), MESH_ABI_MAJOR, MESH_ABI_MINOR,       &THE_CONTEXT,   host_complete, host_fail,
    host_log,          host_wake,      host_take, host_lane_descriptor, no_extension};

#endif
