/* Sends frames of its own and reads them; the first word of its memory says how, the second what it found. */
#include "quicsim.h"

struct framing {
    uint64_t mode;
    uint64_t value;  /* what is sent, or the type to send it as */
    uint64_t seen;   /* frames parsed */
    uint64_t got;    /* the last one's first eight bytes */
    uint64_t length; /* and its length */
    uint64_t answer; /* the last append_frame's */
};

QUICSIM_PLUGIN("framing", "1.0", struct framing);

enum {
    NOTHING,
    WITH_EACH_ACK,
    THEN_LOOP,
    DEFAULT_THEN_FRAME_THEN_LOOP,
    FRAME_THEN_DEFAULT_THEN_LOOP,
    ONLY_FRAMES,
    BAD_TYPE,
    LARGE,
    ASKS_FOR_ACK,
    ROOM_IS_FRESH,
    WINDOW_THEN_FRAME_THEN_LOOP,
    LOG_PACKET,
    BYTES_AND_FRAME,
    TELLS_PATH,
};

#define QUIET 0x1C01
#define ASKING 0x1C02

static void loop(struct framing *my)
{
    for (;;)
        *(volatile uint64_t *)&my->got += 1;
}

SEC("replace/GenerateFrames")
uint64_t generate(struct generate_frames *op, struct quic_connection *connection, struct framing *my)
{
    uint64_t result = 0;
    uint8_t large[400];

    switch (my->mode) {
    case WITH_EACH_ACK:
        result = run_default();
        if (op->carries_ack)
            my->answer = append_frame(QUIET, &my->value, sizeof my->value);
        return result;
    case THEN_LOOP:
        append_frame(ASKING, &my->value, sizeof my->value);
        loop(my);
        break;
    case DEFAULT_THEN_FRAME_THEN_LOOP:
        run_default();
        append_frame(ASKING, &my->value, sizeof my->value);
        loop(my);
        break;
    case FRAME_THEN_DEFAULT_THEN_LOOP:
        append_frame(ASKING, &my->value, sizeof my->value);
        run_default();
        loop(my);
        break;
    case ONLY_FRAMES:
        my->answer = append_frame(my->value, &my->value, sizeof my->value);
        return 0;
    case BAD_TYPE:
        append_frame(my->value, &my->value, sizeof my->value);
        break;
    case LARGE:
        __builtin_memset(large, 7, sizeof large);
        for (uint64_t i = 0; i < my->value && append_frame(QUIET, large, sizeof large); i++)
            my->answer++;
        break;
    case ASKS_FOR_ACK:
        my->answer = append_frame(ASKING, &my->value, sizeof my->value);
        break;
    case ROOM_IS_FRESH:
        log_value(op->room_bytes);
        log_value(append_frame(ASKING, &my->value, sizeof my->value));
        log_value(op->room_bytes);
        log_value(op->ack_eliciting);
        break;
    case TELLS_PATH:
        result = path_index();
        append_frame(QUIET, &result, sizeof result);
        break;
    case BYTES_AND_FRAME:
        result = run_default();
        log_value(packet_bytes(0, large, sizeof large));
        log_value(append_frame(QUIET, &my->value, sizeof my->value));
        log_value(packet_bytes(0, large, sizeof large));
        return result;
    case WINDOW_THEN_FRAME_THEN_LOOP:
        connection->paths[0].cwnd_bytes = 777777;
        append_frame(QUIET, &my->value, sizeof my->value);
        log_value(connection->paths[0].cwnd_bytes);
        loop(my);
        break;
    }
    return run_default();
}

SEC("replace/ParseFrames:0x1C01")
uint64_t quiet(struct parse_frame *op, struct quic_connection *connection, struct framing *my)
{
    my->seen++;
    my->length = op->frame_length;
    return read_frame(0, &my->got, sizeof my->got) == sizeof my->got;
}

SEC("replace/ParseFrames:0x1C02")
uint64_t asking(struct parse_frame *op, struct quic_connection *connection, struct framing *my)
{
    my->seen++;
    my->length = op->frame_length;
    my->got = 0;
    log_value(read_frame(4, &my->got, sizeof my->got));
    log_value(read_frame(8, &my->got, sizeof my->got));
    log_value(read_frame(~0u, &my->got, sizeof my->got));
    return 1;
}

SEC("after/ReadPacket")
uint64_t read(struct read_packet *op, struct quic_connection *connection, struct framing *my)
{
    uint8_t first = 0xFF;

    if (my->mode == LOG_PACKET) {
        log_value(op->ecn);
        log_value(packet_bytes(0, &first, 1));
        log_value(first);
    }
    return 0;
}
