/* A path's congestion window is held to rate * RTT. Paper section 3.2.2. */
#include "quicsim.h"
#include "parameters.h"

#define LONGEST_RTT (1000 * MILLISECONDS) /* beyond it the product could leave 64 bits */

struct nothing {};

QUICSIM_PLUGIN("rate_limit", "1.0", struct nothing);

SEC("replace/CongestionControl")
uint64_t rate_limit(struct congestion_control *op)
{
    uint64_t window = run_default();
    uint64_t rtt = op->smoothed_rtt_ns < LONGEST_RTT ? op->smoothed_rtt_ns : LONGEST_RTT;
    uint64_t limit = parameters.rate * rtt / (1000 * MILLISECONDS);

    if (op->path_id != parameters.path || window <= limit)
        return window;
    return limit > op->minimum_window_bytes ? limit : op->minimum_window_bytes;
}
