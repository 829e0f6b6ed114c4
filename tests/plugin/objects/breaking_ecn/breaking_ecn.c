/* plugins/ecn, and a program that writes behind the plugin's memory once a client has received 2,000 packets. */
#include "../ecn/ecn.c"

SEC("before/DecideAck")
uint64_t break_at_last(struct decide_ack *op, struct quic_connection *connection, struct ecn_state *ecn)
{
    if (connection->is_client && connection->packets_received > 2000)
        *(volatile uint64_t *)(ecn + 1) = 1;
    return 0;
}
