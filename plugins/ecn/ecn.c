/* Explicit congestion notification. Paper section 3.1.2; RFC 3168; RFC 9000 section 13.4; RFC 9002 section 7.
 *
 * It runs on both ends. Each counts the marks on what arrives and reports them in a frame of its own beside its next
 * frames; each sends ECT(0) to a peer that counts, and cuts its window when a report has news, once a round trip.
 */
#include "quicsim.h"
#include "parameters.h"

#define REPORT 0x1C0D /* an odd type asks for no ACK */
#define MAXIMUM_PATHS 8

/* The frame: how many packets arrived on a path with ECT and with CE. */
struct report {
    uint32_t ect;
    uint32_t ce;
    uint8_t path;
    uint8_t asks;    /* 1: does the peer count? */
    uint8_t answers; /* 1: yes */
    uint8_t padding;
};

struct ecn_path {
    uint32_t ect; /* packets that arrived so marked */
    uint32_t ce;
    uint32_t peer_ce;    /* what the peer says of ours */
    uint32_t settled_ce; /* what of it has been reacted to */
    uint64_t cut_ns;     /* when the window was last cut, for a mark or for a loss */
    uint64_t ssthresh_bytes;
    uint64_t has_news;
};

struct ecn_state {
    struct ecn_path paths[MAXIMUM_PATHS];
    uint32_t peer_counts; /* 1: what goes out may say ECT */
    uint32_t answer_due;
};

QUICSIM_PLUGIN("ecn", "1.0", struct ecn_state);

SEC("replace/InitOpaqueData")
uint64_t ecn_init(struct init_opaque_data *op, struct quic_connection *connection, struct ecn_state *ecn)
{
    ecn->paths[0].has_news = 1; /* that no mark was seen yet */
    return 0;
}

SEC("after/ReadPacket")
uint64_t ecn_packet_read(struct read_packet *op, struct quic_connection *connection, struct ecn_state *ecn)
{
    struct ecn_path *path = &ecn->paths[path_index() % MAXIMUM_PATHS];

    if (!op->result || op->space != SPACE_APPLICATION)
        return 0;
    if (op->ecn == ECN_CE) {
        path->ce++;
        path->has_news = 1;
    } else if (op->ecn != ECN_NOT_ECT) {
        path->ect++;
    }
    return 0;
}

SEC("replace/GenerateFrames")
uint64_t ecn_generate(struct generate_frames *op, struct quic_connection *connection, struct ecn_state *ecn)
{
    uint8_t asks = parameters.negotiate && !ecn->peer_counts;
    uint32_t i;

    if (op->space != SPACE_APPLICATION)
        return run_default();
    for (i = 0; i < connection->path_count && i < MAXIMUM_PATHS; i++) {
        struct ecn_path *path = &ecn->paths[i];
        struct report report = { path->ect, path->ce, i, asks, ecn->answer_due, 0 };

        if (!path->has_news && !asks && !ecn->answer_due)
            continue;
        if (append_frame(REPORT, &report, sizeof report)) { /* so the peer runs this plugin */
            path->has_news = ecn->answer_due = 0;
            ecn->peer_counts |= !parameters.negotiate;
        }
    }
    if (ecn->peer_counts && get_ecn() == ECN_NOT_ECT)
        set_ecn(ECN_ECT_0);
    return run_default();
}

SEC("replace/ParseFrames:0x1C0D")
uint64_t ecn_parse(struct parse_frame *op, struct quic_connection *connection, struct ecn_state *ecn)
{
    struct report report;
    struct ecn_path *path;

    if (read_frame(0, &report, sizeof report) != sizeof report)
        return 0;
    path = &ecn->paths[report.path % MAXIMUM_PATHS];
    if (report.ce > path->peer_ce) /* frames may overtake one another */
        path->peer_ce = report.ce;
    if (report.answers)
        ecn->peer_counts = 1;
    if (report.asks)
        ecn->answer_due = 1;
    return 1;
}

SEC("after/ParseFrames")
uint64_t ecn_frames_parsed(struct parse_frames *op, struct quic_connection *connection, struct ecn_state *ecn)
{
    uint32_t i;

    for (i = 0; i < connection->path_count && i < MAXIMUM_PATHS; i++) {
        struct quic_path *window = &connection->paths[i];
        struct ecn_path *path = &ecn->paths[i];
        uint64_t kept;

        if (window->ssthresh_bytes != path->ssthresh_bytes) { /* the controller has cut it */
            path->ssthresh_bytes = window->ssthresh_bytes;
            path->cut_ns = op->now_ns;
        }
        if (path->peer_ce == path->settled_ce)
            continue;
        path->settled_ce = path->peer_ce;
        if (op->now_ns - window->latest_rtt_ns <= path->cut_ns)
            continue; /* what was acknowledged last was sent before that cut (RFC 9002 section 7.3.2) */
        kept = window->cwnd_bytes * parameters.kept / 100;
        if (kept < window->minimum_window_bytes)
            kept = window->minimum_window_bytes;
        window->cwnd_bytes = window->ssthresh_bytes = path->ssthresh_bytes = kept;
        path->cut_ns = op->now_ns;
    }
    return 0;
}
