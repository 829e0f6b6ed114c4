/* All acknowledgements on one path. Paper section 3.2.1.
 *
 * By default a path's packets are acknowledged on that path. Where its way back is narrow, they fill it.
 */
#include "quicsim.h"
#include "parameters.h"

struct nothing {};

QUICSIM_PLUGIN("ack_path", "1.0", struct nothing);

SEC("replace/SelectACKPath")
uint64_t ack_path(struct select_ack_path *op)
{
    return parameters.path < op->path_count ? parameters.path + 1 : op->received_on + 1;
}
