// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The UDP sockets of RoCEv2: one for IPv4 and one for IPv6 in each namespace
 * that has a nopin device, and none elsewhere.
 */

#include <linux/mutex.h>
#include <linux/udp.h>
#include <linux/wait_bit.h>
#include <net/gro.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/udp_tunnel.h>

#include "compat.h"
#include "net/private.h"
#include "wire/packet.h"

static unsigned int nopin_net_id __read_mostly;
static nopin_encap_fn nopin_net_encap __read_mostly;

/* Held while sockets are opened or closed, in any namespace. */
static DEFINE_MUTEX(nopin_net_lock);

/*
 * GRO would lose the IPv4 ids, which the ICRC covers: the stack takes merged packets
 * apart with ids that count up from the first, whatever ids they arrived with.
 */
static struct sk_buff *nopin_gro_receive(struct sock *sk, struct list_head *head,
					 struct sk_buff *skb)
{
	NAPI_GRO_CB(skb)->flush = 1;
	return NULL;
}

static struct socket *nopin_socket_open(struct net *net, u8 family)
{
	/* Peers send without a UDP checksum: the ICRC does more. */
	struct udp_port_cfg port = {
		.family = family,
		.local_udp_port = htons(NOPIN_UDP_PORT),
		.ipv6_v6only = family == AF_INET6,
	};
	struct udp_tunnel_sock_cfg tunnel = {
		.sk_user_data = net_generic(net, nopin_net_id),
		.encap_type = 1,
		.encap_rcv = nopin_net_encap,
		.gro_receive = nopin_gro_receive,
	};
	struct socket *sock;
	int err;

	err = udp_sock_create(net, &port, &sock);
	if (err < 0)
		return ERR_PTR(err);
	udp_allow_gso(sock->sk);
	/* Anybody can forge an ICMP message that says the path takes only short packets. */
	if (family == AF_INET)
		ip_sock_set_mtu_discover(sock->sk, IP_PMTUDISC_INTERFACE);
	nopin_tunnel_setup(net, sock, &tunnel);
	return sock;
}

/* NULL where the kernel has no IPv6 or it is off. */
static struct socket *nopin_socket_open_ipv6(struct net *net)
{
	struct socket *sock = nopin_socket_open(net, AF_INET6);

	if (sock == ERR_PTR(-EAFNOSUPPORT) || sock == ERR_PTR(-EPFNOSUPPORT))
		return NULL;
	return sock;
}

static int nopin_sockets_open(struct net *net, struct nopin_net *state)
{
	struct socket *sock4, *sock6;

	lockdep_assert_held(&nopin_net_lock);
	sock4 = nopin_socket_open(net, AF_INET);
	if (IS_ERR(sock4))
		return PTR_ERR(sock4);
	sock6 = nopin_socket_open_ipv6(net);
	if (IS_ERR(sock6)) {
		nopin_tunnel_release(sock4);
		return PTR_ERR(sock6);
	}
	state->sock4 = sock4;
	state->sock6 = sock6;
	return 0;
}

/* When this returns, no packet is handed up any more. */
static void nopin_sockets_close(struct nopin_net *state)
{
	lockdep_assert_held(&nopin_net_lock);
	nopin_tunnel_release(state->sock4);
	if (state->sock6)
		nopin_tunnel_release(state->sock6);
	state->sock4 = NULL;
	state->sock6 = NULL;
}

/**
 * nopin_net_open - receive RoCEv2 packets in a namespace
 * @net: the namespace; its end waits for nopin_net_close()
 *
 * To be called once for each device that is added to @net.
 *
 * Return: 0, or -errno: -EADDRINUSE when another program has the port.
 * Context: process, may sleep; RTNL may be held.
 */
int nopin_net_open(struct net *net)
{
	struct nopin_net *state = net_generic(net, nopin_net_id);
	int err = 0;

	mutex_lock(&nopin_net_lock);
	if (!state->users)
		err = nopin_sockets_open(net, state);
	if (!err)
		state->users++;
	mutex_unlock(&nopin_net_lock);
	return err;
}

/**
 * nopin_net_close - undo one nopin_net_open()
 * @net: the namespace
 *
 * The last call closes the sockets: when it returns, no packet is being handed up.
 *
 * Context: process, may sleep; RTNL may be held.
 */
void nopin_net_close(struct net *net)
{
	struct nopin_net *state = net_generic(net, nopin_net_id);

	mutex_lock(&nopin_net_lock);
	if (!WARN_ON(!state->users) && !--state->users) {
		nopin_sockets_close(state);
		wake_up_var(&state->users);
	}
	mutex_unlock(&nopin_net_lock);
}

/**
 * nopin_net_sender - the socket by which the stack sends IPv4 packets to a single peer
 * @net: a namespace, open
 *
 * It has the stack hold packets to the interface's MTU instead of that of the path. Packets
 * to a group have no socket: this one, as a tunnel's, would not let them loop back.
 *
 * Return: the socket.
 * Context: any.
 */
struct sock *nopin_net_sender(struct net *net)
{
	struct nopin_net *state = net_generic(net, nopin_net_id);

	return state->sock4->sk;
}

/**
 * nopin_net_drops - get the counts of packets dropped before a device was found
 * @net: a namespace
 * @drops: receives the counts since the namespace began
 *
 * Context: any.
 */
void nopin_net_drops(struct net *net, struct nopin_net_drops *drops)
{
	struct nopin_net *state = net_generic(net, nopin_net_id);

	drops->malformed = atomic64_read(&state->malformed);
	drops->icrc = atomic64_read(&state->icrc);
	drops->no_qp = atomic64_read(&state->no_qp);
}

/*
 * The net devices of the namespace are gone already, but a work item unregisters the
 * nopin devices on them. Without the wait it would close the namespace's sockets after
 * @state is freed. The lock is taken so that nopin_net_close() is done with @state.
 */
static void nopin_net_ns_exit(struct net *net)
{
	struct nopin_net *state = net_generic(net, nopin_net_id);

	wait_var_event(&state->users, !READ_ONCE(state->users));
	mutex_lock(&nopin_net_lock);
	mutex_unlock(&nopin_net_lock);
}

/* Not a pernet device: those exit before the net devices are gone. */
static struct pernet_operations nopin_net_ops = {
	.exit = nopin_net_ns_exit,
	.id = &nopin_net_id,
	.size = sizeof(struct nopin_net),
};

/**
 * nopin_sockets_init - prepare for the first namespace; no socket is opened yet
 * @encap: encap_rcv of all sockets
 *
 * Return: 0 or -errno.
 * Context: process, may sleep.
 */
int nopin_sockets_init(nopin_encap_fn encap)
{
	nopin_net_encap = encap;
	return register_pernet_subsys(&nopin_net_ops);
}

/**
 * nopin_sockets_exit - undo nopin_sockets_init(); every namespace has been closed
 *
 * Context: process, may sleep.
 */
void nopin_sockets_exit(void)
{
	unregister_pernet_subsys(&nopin_net_ops);
	/* A softirq that found a socket before it closed may still be in our hook. */
	synchronize_net();
}
