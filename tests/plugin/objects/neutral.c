/* Stands in front of every default and changes nothing. */
#include "quicsim.h"

struct neutral {
    uint64_t calls;
};

QUICSIM_PLUGIN("neutral", "1.0", struct neutral);

#define NEUTRAL(name, operation)                                                                      \
    SEC("replace/" #name)                                                                             \
    uint64_t name(struct operation *op, struct quic_connection *connection, struct neutral *my)       \
    {                                                                                                 \
        (void)op;                                                                                     \
        (void)connection;                                                                             \
        my->calls++;                                                                                  \
        return run_default();                                                                         \
    }

NEUTRAL(SelectRetransmission, select_retransmission)
NEUTRAL(GenerateHeader, generate_header)
NEUTRAL(GenerateFrames, generate_frames)
NEUTRAL(SendPacket, send_packet)
NEUTRAL(SetTimer, set_timer)
NEUTRAL(RetransmissionTimeout, retransmission_timeout)
NEUTRAL(DecideAck, decide_ack)
NEUTRAL(SelectPath, select_path)
NEUTRAL(SelectACKPath, select_ack_path)
NEUTRAL(PacePacket, pace_packet)
NEUTRAL(ReadPacket, read_packet)
NEUTRAL(ParseFrames, parse_frames)
NEUTRAL(ProcessAck, process_ack)
NEUTRAL(UpdateRTT, update_rtt)
NEUTRAL(DetectLoss, detect_loss)
NEUTRAL(CongestionControl, congestion_control)
NEUTRAL(InitOpaqueData, init_opaque_data)
