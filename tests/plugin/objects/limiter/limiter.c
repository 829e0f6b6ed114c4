/* Holds the window of `parameters.path` down to `parameters.window` bytes, and says so whenever it does. */
#include "quicsim.h"
#include "parameters.h"

struct none { uint64_t unused; };
QUICSIM_PLUGIN("limiter", "1.0", struct none);

SEC("replace/CongestionControl")
uint64_t limit(struct congestion_control *op, struct quic_connection *connection, struct none *state)
{
    uint64_t window = run_default();

    if (parameters.path != 0 || window <= parameters.window)
        return window;
    log_value(parameters.window);
    return parameters.window;
}
