/* Sets what its path's datagrams are marked with, and lowers the window, on either side of a fault. */
#include "quicsim.h"

struct marking {
    uint64_t mode;
    uint64_t codepoint;
    uint64_t window_bytes;
};

QUICSIM_PLUGIN("marking", "1.0", struct marking);

enum { NOTHING, SET, SET_THEN_LOOP, SET_THEN_DEFAULT_THEN_LOOP, APPEND_ELSEWHERE, READ_NO_FRAME, READ_NO_PACKET, DRAW, DRAW_THEN_LOOP };

static void loop(struct marking *my)
{
    for (;;)
        *(volatile uint64_t *)&my->mode += 0;
}

SEC("replace/InitOpaqueData")
uint64_t init(struct init_opaque_data *op, struct quic_connection *connection, struct marking *my)
{
    set_ecn(ECN_ECT_0);
    return 0;
}

SEC("replace/SetTimer")
uint64_t timer(struct set_timer *op, struct quic_connection *connection, struct marking *my)
{
    if (my->mode == SET || my->mode == SET_THEN_LOOP || my->mode == SET_THEN_DEFAULT_THEN_LOOP) {
        set_ecn(my->codepoint);
        log_value(get_ecn());
        log_value(connection->paths[path_index()].ecn_codepoint);
    }
    if (my->mode == SET_THEN_DEFAULT_THEN_LOOP)
        run_default();
    if (my->mode == SET_THEN_LOOP || my->mode == SET_THEN_DEFAULT_THEN_LOOP)
        loop(my);
    if (my->mode == APPEND_ELSEWHERE)
        append_frame(0x1C00, my, sizeof *my);
    if (my->mode == READ_NO_FRAME)
        read_frame(0, my, sizeof *my);
    if (my->mode == READ_NO_PACKET)
        packet_bytes(0, my, sizeof *my);
    if (my->mode == DRAW || my->mode == DRAW_THEN_LOOP)
        log_value(random_u64());
    if (my->mode == DRAW_THEN_LOOP)
        loop(my);
    return run_default();
}

SEC("after/ParseFrames")
uint64_t parsed(struct parse_frames *op, struct quic_connection *connection, struct marking *my)
{
    if (my->window_bytes)
        connection->paths[0].cwnd_bytes = connection->paths[0].ssthresh_bytes = my->window_bytes;
    return 0;
}
