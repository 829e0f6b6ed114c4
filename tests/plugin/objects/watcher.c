/* Counts calls beside the defaults: a second plugin at anchors that others replace. */
#include "quicsim.h"

struct watcher {
    uint64_t initialised;
    uint64_t before;
    uint64_t after;
    uint64_t data;
    uint64_t zeroed;
};

QUICSIM_PLUGIN("watcher", "2.1", struct watcher);

static uint64_t in_data = 7;
static uint64_t in_bss[2];

SEC("replace/InitOpaqueData")
uint64_t init(struct init_opaque_data *op, struct quic_connection *connection, struct watcher *my)
{
    (void)op;
    (void)connection;
    my->initialised++;
    return 0;
}

SEC("before/SelectRetransmission")
uint64_t before(struct select_retransmission *op, struct quic_connection *connection, struct watcher *my)
{
    (void)op;
    (void)connection;
    my->before++;
    my->data = ++in_data;
    my->zeroed = ++in_bss[1];
    return 0;
}

SEC("after/SelectRetransmission")
uint64_t after(struct select_retransmission *op, struct quic_connection *connection, struct watcher *my)
{
    (void)op;
    (void)connection;
    my->after++;
    my->data = ++in_data;
    my->zeroed = ++in_bss[1];
    return 0;
}
