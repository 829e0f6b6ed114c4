/* Nagle's algorithm. Paper section 2, its example of a pluggable operation; RFC 896.
 *
 * SendPacket holds a small packet of new data back while something is unacknowledged. Its content waits in the sender's
 * queue and takes along what the application writes meanwhile. It goes out when all is acknowledged, when it fills a
 * packet, or after a delay: SetTimer wakes the sender then, and SelectRetransmission reconsiders. What is repeated, what
 * goes out because the timer has expired, and the end of a stream, behind which nothing comes, are not held back.
 */
#include "quicsim.h"
#include "parameters.h"

#define PATHS 8
#define UNUSED 64 /* what the host may leave free in a full packet: no room for a useful piece of a frame */

struct held {
    uint64_t until_ns;      /* 0: nothing is held back on this path */
    uint64_t timer_expired; /* its timer began this run of the sending process */
};

struct nagle_state {
    struct held paths[PATHS];
    uint64_t repeats; /* the packet that comes next repeats an earlier one */
};

QUICSIM_PLUGIN("nagle", "1.0", struct nagle_state);

static bool waits_for_ack(const struct quic_connection *connection)
{
    for (uint32_t index = 0; index < PATHS && index < connection->path_count; index++) {
        const struct quic_path *path = &connection->paths[index];

        if (path->outstanding_count && !path->is_potentially_failed)
            return true;
    }
    return false;
}

SEC("replace/SendPacket")
uint64_t nagle_send(struct send_packet *op, struct quic_connection *connection, struct nagle_state *nagle)
{
    uint32_t index = path_index() % PATHS;
    struct held *held = &nagle->paths[index];
    bool is_small = op->size_bytes + UNUSED <= connection->paths[index].datagram_bytes;

    if (op->space != SPACE_APPLICATION || !op->ack_eliciting || nagle->repeats)
        return run_default();
    if (is_small && op->data_only && !op->ends_stream && !held->timer_expired && waits_for_ack(connection)) {
        if (held->until_ns == 0)
            held->until_ns = op->now_ns + parameters.delay;
        if (op->now_ns < held->until_ns)
            return 0;
    }
    held->until_ns = 0;
    return run_default();
}

SEC("replace/SetTimer")
uint64_t nagle_set_timer(struct set_timer *op, struct quic_connection *connection, struct nagle_state *nagle)
{
    uint64_t until_ns = nagle->paths[path_index() % PATHS].until_ns;
    uint64_t deadline = run_default();

    if (op->now_ns < until_ns && (deadline == 0 || until_ns < deadline))
        return until_ns;
    return deadline;
}

SEC("replace/SelectRetransmission")
uint64_t nagle_select(struct select_retransmission *op, struct quic_connection *connection, struct nagle_state *nagle)
{
    uint64_t selected;

    nagle->paths[path_index() % PATHS].timer_expired = op->timer_expired;
    selected = run_default();
    nagle->repeats = selected != 0;
    return selected;
}
