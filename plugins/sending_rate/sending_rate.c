/* Sending rate. Paper section 2: a plugin at the AfterSendPacket transition that computes the current rate.
 *
 * Time is cut into windows of equal length, the first of which begins with the first packet. The first packet behind a
 * window's end reports what was sent in it. Windows without a packet are not reported: nothing runs in them.
 */
#include "quicsim.h"
#include "parameters.h"

#define SECOND (1000 * MILLISECONDS)

struct measurement {
    uint64_t window_began_ns;
    uint64_t bytes;            /* sent in this window */
    uint64_t bytes_per_second; /* in the last window that was reported */
};

QUICSIM_PLUGIN("sending_rate", "1.0", struct measurement);

SEC("after/SendPacket")
uint64_t measure(struct send_packet *op, struct quic_connection *connection, struct measurement *measured)
{
    uint64_t window = parameters.window;
    uint64_t elapsed = op->now_ns - measured->window_began_ns;

    if (op->result == 0)
        return 0; /* another plugin held the packet back */
    if (measured->bytes == 0) {
        measured->window_began_ns = op->now_ns;
    } else if (elapsed >= window) {
        measured->bytes_per_second = measured->bytes * SECOND / window;
        measured->window_began_ns += elapsed - elapsed % window;
        measured->bytes = 0;
        log_value(measured->bytes_per_second);
    }
    measured->bytes += op->size_bytes;
    return 0;
}
