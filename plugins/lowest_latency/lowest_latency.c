/* Lowest-latency packet scheduler. Paper section 3.3; mp-quic (2017), which has it built in.
 *
 * The next packet takes the path of the lowest smoothed round-trip time whose window is open. The first path, which
 * carried the handshake, has its turn only while it is alone. Paths that may have failed are left out. A path that was
 * never measured is taken only while none that was is free, the least used first. What is repeated does not wait for the
 * window; if the path that carried it was never measured, it goes to one that carried less.
 */
#include "quicsim.h"

#define NONE UINT64_MAX
#define NEVER_MEASURED (1ULL << 63) /* worse than any round-trip time in nanoseconds */

struct no_memory { uint64_t unused; };

QUICSIM_PLUGIN("lowest_latency", "1.0", struct no_memory);

static bool may_send(const struct select_path *op, const struct quic_path *path)
{
    return path->bytes_in_flight + path->window_margin_bytes <= path->cwnd_bytes && path->paced_until_ns <= op->now_ns;
}

static uint64_t rank(const struct quic_path *path)
{
    if (path->has_rtt_sample)
        return path->smoothed_rtt_ns;
    return NEVER_MEASURED + path->packets_sent;
}

/* One that carried less than the path where the packet was sent before; 0: there is none. */
static uint64_t less_used(const struct select_path *op, const struct quic_connection *connection)
{
    uint64_t packets_sent = connection->paths[op->origin].packets_sent;

    for (uint64_t index = 1; index < op->path_count; index++) {
        const struct quic_path *path = &connection->paths[index];

        if (path->is_open && index != op->origin && path->packets_sent < packets_sent)
            return index + 1;
    }
    return 0;
}

SEC("replace/SelectPath")
uint64_t lowest_latency(struct select_path *op, struct quic_connection *connection, struct no_memory *memory)
{
    uint64_t chosen = 0;
    uint64_t lowest = NONE;

    if (op->path_count == 1)
        return op->retransmits || may_send(op, &connection->paths[0]);
    if (op->retransmits && !connection->paths[op->origin].has_rtt_sample) {
        chosen = less_used(op, connection);
        if (chosen)
            return chosen;
    }
    for (uint64_t index = 1; index < op->path_count; index++) {
        const struct quic_path *path = &connection->paths[index];

        if (!path->is_open || path->is_potentially_failed)
            continue;
        if (!op->retransmits && !may_send(op, path))
            continue;
        if (rank(path) < lowest) {
            lowest = rank(path);
            chosen = index + 1;
        }
    }
    return chosen;
}
