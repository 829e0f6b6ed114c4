/* Tail loss probe. Paper section 3.1.1; draft-ietf-quic-recovery-13 section 4.3.2.
 *
 * SetTimer wakes the sender early, SelectRetransmission then repeats the last outstanding packet. With one packet
 * outstanding the probe goes out after 1.5 RTT and the time that the peer may delay its ACK; never later than the default
 * timer, and at most twice for the same tail.
 */
#include "quicsim.h"

#define MINIMUM_DELAY (10 * MILLISECONDS) /* draft 13, kMinTLPTimeout */
#define MAXIMUM_PROBES 2                  /* draft 13, kMaxTLPs */

struct tlp_state {
    uint64_t probe_at_ns; /* 0: no probe is due */
    uint64_t tail;        /* the oldest outstanding packet, by which a tail is known */
    uint64_t probes;      /* sent for this tail */
};

QUICSIM_PLUGIN("tlp", "1.0", struct tlp_state);

static uint64_t delay(const struct set_timer *op)
{
    uint64_t least = 2 * op->smoothed_rtt_ns;
    uint64_t single = op->smoothed_rtt_ns * 3 / 2 + op->max_ack_delay_ns;
    uint64_t wanted = op->ack_eliciting_outstanding == 1 ? single : MINIMUM_DELAY;

    return wanted > least ? wanted : least;
}

SEC("replace/SetTimer")
uint64_t tlp_set_timer(struct set_timer *op, struct quic_connection *connection, struct tlp_state *tlp)
{
    uint64_t deadline = run_default();
    uint64_t probe_at = op->last_ack_eliciting_sent_ns + delay(op);
    struct quic_packet oldest;

    tlp->probe_at_ns = 0;
    if (op->ack_eliciting_outstanding == 0 || !outstanding(0, &oldest))
        return deadline;
    if (oldest.number != tlp->tail) {
        tlp->tail = oldest.number;
        tlp->probes = 0;
    }
    if (tlp->probes < MAXIMUM_PROBES && op->now_ns < probe_at && probe_at < deadline)
        tlp->probe_at_ns = deadline = probe_at;
    return deadline;
}

SEC("replace/SelectRetransmission")
uint64_t tlp_select(struct select_retransmission *op, struct quic_connection *connection, struct tlp_state *tlp)
{
    bool due = op->timer_expired && tlp->probe_at_ns != 0 && tlp->probe_at_ns <= op->now_ns;
    struct quic_packet last;

    if (op->space != SPACE_APPLICATION || !due || !outstanding(op->outstanding_count - 1, &last))
        return run_default();
    tlp->probe_at_ns = 0;
    tlp->probes++;
    return last.number + 1;
}
