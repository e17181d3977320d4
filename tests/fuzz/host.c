// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The kernel functions that the transport calls, for a program with one thread: memory
 * comes from the C library, locks do nothing, and timers, tasklets, works and RCU callbacks
 * run when the fuzzer says so.
 */
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/once.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <rdma/ib_verbs.h>

#include "host.h"

void __asan_poison_memory_region(const volatile void *addr, size_t size);
void __asan_unpoison_memory_region(const volatile void *addr, size_t size);

#define MOST_TIMERS	64

struct thread_info fuzz_thread_info;
unsigned long volatile jiffies;
int signals_enabled = 1;
struct cpuinfo_um boot_cpu_data;
kmem_buckets kmalloc_caches[NR_KMALLOC_TYPES];
struct kmem_cache *radix_tree_node_cachep;
atomic_long_t _totalram_pages = ATOMIC_LONG_INIT(1 << 20);
bool static_key_initialized = true;
unsigned long task_size = 1UL << 47;
const struct kernel_param_ops param_ops_bool, param_ops_uint;

static u64 now_ns;
static HLIST_HEAD(timers);
static struct hrtimer *hrtimers[MOST_TIMERS];
static LIST_HEAD(works);
static struct tasklet_struct *tasklets;
static struct rcu_head *rcu_heads;
static size_t skbs;

void host_init(void)
{
	jiffies = INITIAL_JIFFIES;
	now_ns = NSEC_PER_SEC;
}

/* --- memory --- */

static void *allocate(size_t size, gfp_t flags)
{
	return flags & __GFP_ZERO ? calloc(1, size) : malloc(size);
}

void *__kmalloc_noprof(size_t size, gfp_t flags)
{
	return allocate(size, flags);
}

void *__kmalloc_cache_noprof(struct kmem_cache *cache, gfp_t flags, size_t size)
{
	return allocate(size, flags);
}

void *__kmalloc_node_noprof(DECL_BUCKET_PARAMS(size, b), gfp_t flags, int node)
{
	return allocate(size, flags);
}

void *__kvmalloc_node_noprof(DECL_BUCKET_PARAMS(size, b), gfp_t flags, int node)
{
	return allocate(size, flags);
}

void *__vmalloc_noprof(unsigned long size, gfp_t flags)
{
	void *area = aligned_alloc(PAGE_SIZE, PAGE_ALIGN(size));

	if (area && flags & __GFP_ZERO)
		memset(area, 0, PAGE_ALIGN(size));
	return area;
}

/* Only XArray nodes are allocated from a cache. */
void *kmem_cache_alloc_lru_noprof(struct kmem_cache *cache, struct list_lru *lru,
				  gfp_t flags)
{
	struct xa_node *node = calloc(1, sizeof(*node));

	INIT_LIST_HEAD(&node->private_list);
	return node;
}

void radix_tree_node_rcu_free(struct rcu_head *head)
{
	free(container_of(head, struct xa_node, rcu_head));
}

void kfree(const void *ptr)
{
	free((void *)ptr);
}

void kvfree(const void *ptr)
{
	free((void *)ptr);
}

void vfree(const void *ptr)
{
	free((void *)ptr);
}

/* --- locks, waiting --- */

void __mutex_init(struct mutex *lock, const char *name, struct lock_class_key *key)
{
}

void mutex_lock(struct mutex *lock)
{
}

void mutex_unlock(struct mutex *lock)
{
}

void __local_bh_enable_ip(unsigned long ip, unsigned int count)
{
	preempt_count_sub(count);
}

int um_set_signals(int enable)
{
	signals_enabled = enable;
	return enable;
}

void block_signals(void)
{
	signals_enabled = 0;
}

void unblock_signals(void)
{
	signals_enabled = 1;
}

void __init_swait_queue_head(struct swait_queue_head *head, const char *name,
			     struct lock_class_key *key)
{
}

void complete(struct completion *completion)
{
	completion->done++;
}

/* Run all deferred work; if that does not complete @completion the kernel would hang. */
void wait_for_completion(struct completion *completion)
{
	if (!completion->done)
		host_settle();
	if (!completion->done)
		fuzz_fault("hangs");
	completion->done--;
}

void wake_up_var(void *var)
{
}

int __cond_resched(void)
{
	return 0;
}

void msleep(unsigned int ms)
{
	host_pass(ms);
}

/* --- RCU --- */

void call_rcu(struct rcu_head *head, rcu_callback_t func)
{
	head->func = func;
	head->next = rcu_heads;
	rcu_heads = head;
}

/* kfree_rcu() passes the offset of the rcu_head in its struct in place of a function. */
void host_run_rcu(void)
{
	while (rcu_heads) {
		struct rcu_head *head = rcu_heads;

		rcu_heads = head->next;
		if ((unsigned long)head->func < PAGE_SIZE)
			free((void *)head - (unsigned long)head->func);
		else
			head->func(head);
	}
}

void synchronize_rcu(void)
{
	host_run_rcu();
}

/* --- time --- */

ktime_t ktime_get(void)
{
	return now_ns += 200;
}

ktime_t ktime_get_with_offset(enum tk_offsets offset)
{
	return ktime_get();
}

unsigned long nsecs_to_jiffies(u64 ns)
{
	return ns / TICK_NSEC;
}

unsigned int jiffies_to_usecs(const unsigned long j)
{
	return j * (USEC_PER_SEC / HZ);
}

unsigned long __usecs_to_jiffies(const unsigned int us)
{
	return DIV_ROUND_UP(us, USEC_PER_SEC / HZ);
}

void init_timer_key(struct timer_list *timer, void (*func)(struct timer_list *),
		    unsigned int flags, const char *name, struct lock_class_key *key)
{
	timer->function = func;
	timer->entry.pprev = NULL;
}

int timer_delete(struct timer_list *timer)
{
	if (!timer_pending(timer))
		return 0;
	hlist_del(&timer->entry);
	timer->entry.pprev = NULL;
	return 1;
}

int timer_delete_sync(struct timer_list *timer)
{
	return timer_delete(timer);
}

int mod_timer(struct timer_list *timer, unsigned long expires)
{
	int pending = timer_delete(timer);

	timer->expires = expires;
	hlist_add_head(&timer->entry, &timers);
	return pending;
}

int timer_reduce(struct timer_list *timer, unsigned long expires)
{
	if (timer_pending(timer) && time_before_eq(timer->expires, expires))
		return 1;
	return mod_timer(timer, expires);
}

void hrtimer_init(struct hrtimer *timer, clockid_t clock, enum hrtimer_mode mode)
{
	memset(timer, 0, sizeof(*timer));
}

void hrtimer_start_range_ns(struct hrtimer *timer, ktime_t time, u64 delta,
			    const enum hrtimer_mode mode)
{
	unsigned int i;

	timer->node.expires = time;
	if (timer->state)
		return;
	for (i = 0; i < MOST_TIMERS && hrtimers[i]; i++)
		;
	fuzz_require(i < MOST_TIMERS);
	hrtimers[i] = timer;
	timer->state = HRTIMER_STATE_ENQUEUED;
}

int hrtimer_cancel(struct hrtimer *timer)
{
	unsigned int i;

	for (i = 0; i < MOST_TIMERS; i++)
		if (hrtimers[i] == timer)
			hrtimers[i] = NULL;
	timer->state = 0;
	return 0;
}

u64 hrtimer_forward(struct hrtimer *timer, ktime_t now, ktime_t interval)
{
	timer->node.expires = now + interval;
	return 1;
}

static void run_hrtimer(struct hrtimer *timer)
{
	hrtimer_cancel(timer);
	if (timer->function(timer) == HRTIMER_RESTART)
		hrtimer_start_range_ns(timer, timer->node.expires, 0, HRTIMER_MODE_ABS);
}

void host_pass(unsigned int ms)
{
	struct timer_list *timer;
	struct hlist_node *next;
	unsigned int i;

	now_ns += (u64)ms * NSEC_PER_MSEC;
	jiffies += DIV_ROUND_UP(ms * HZ, MSEC_PER_SEC);
	hlist_for_each_entry_safe(timer, next, &timers, entry) {
		if (time_before(jiffies, timer->expires))
			continue;
		timer_delete(timer);
		timer->function(timer);
		break; /* the timer may have changed the list */
	}
	for (i = 0; i < MOST_TIMERS; i++)
		if (hrtimers[i] && hrtimers[i]->node.expires <= (ktime_t)now_ns)
			run_hrtimer(hrtimers[i]);
}

/* --- tasklets, works --- */

void tasklet_setup(struct tasklet_struct *task, void (*callback)(struct tasklet_struct *))
{
	task->state = 0;
	task->use_callback = true;
	task->callback = callback;
}

void __tasklet_schedule(struct tasklet_struct *task)
{
	task->next = tasklets;
	tasklets = task;
}

void tasklet_kill(struct tasklet_struct *task)
{
	while (test_bit(TASKLET_STATE_SCHED, &task->state))
		host_run_tasklets();
}

void host_run_tasklets(void)
{
	struct tasklet_struct *task, *next = tasklets;

	tasklets = NULL;
	while ((task = next)) {
		next = task->next;
		clear_bit(TASKLET_STATE_SCHED, &task->state);
		task->callback(task);
	}
}

struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags, int most, ...)
{
	return malloc(1);
}

void destroy_workqueue(struct workqueue_struct *wq)
{
	free(wq);
}

bool queue_work_on(int cpu, struct workqueue_struct *wq, struct work_struct *work)
{
	if (test_and_set_bit(WORK_STRUCT_PENDING_BIT, work_data_bits(work)))
		return false;
	list_add_tail(&work->entry, &works);
	return true;
}

void host_run_works(void)
{
	LIST_HEAD(now);

	list_splice_init(&works, &now);
	while (!list_empty(&now)) {
		struct work_struct *work = list_first_entry(&now, struct work_struct, entry);

		list_del_init(&work->entry);
		clear_bit(WORK_STRUCT_PENDING_BIT, work_data_bits(work));
		work->func(work);
	}
}

/* Run deferred work until none is left; a fault if it never ends. */
void host_settle(void)
{
	unsigned int rounds = 0;

	while (tasklets || !list_empty(&works)) {
		if (rounds++ == 100000)
			fuzz_fault("goes on for ever");
		host_run_tasklets();
		host_run_works();
	}
	host_run_rcu();
}

/* --- packets --- */

size_t host_skbs(void)
{
	return skbs;
}

/* Make an sk_buff; the bytes behind its data are poisoned. */
struct sk_buff *host_skb(const void *data, size_t len)
{
	size_t room = ALIGN(len, 8) + 32;
	struct sk_buff *skb = calloc(1, sizeof(*skb));

	skb->head = calloc(1, room + sizeof(struct skb_shared_info));
	skb->data = skb->head;
	skb->end = room;
	memcpy(skb_put(skb, len), data, len);
	__asan_poison_memory_region(skb->head + ALIGN(len, 8), room - ALIGN(len, 8));
	skb->truesize = SKB_TRUESIZE(len);
	refcount_set(&skb->users, 1);
	atomic_set(&skb_shinfo(skb)->dataref, 1);
	skbs++;
	return skb;
}

void *skb_put(struct sk_buff *skb, unsigned int len)
{
	void *at = skb_tail_pointer(skb);

	skb->tail += len;
	skb->len += len;
	return at;
}

void consume_skb(struct sk_buff *skb)
{
	if (!skb || !refcount_dec_and_test(&skb->users))
		return;
	if (skb->destructor)
		skb->destructor(skb);
	if (atomic_dec_and_test(&skb_shinfo(skb)->dataref)) {
		__asan_unpoison_memory_region(skb->head, skb->end);
		free(skb->head);
	}
	free(skb);
	skbs--;
}

void sk_skb_reason_drop(struct sock *sk, struct sk_buff *skb, enum skb_drop_reason reason)
{
	consume_skb(skb);
}

struct sk_buff *skb_clone(struct sk_buff *skb, gfp_t flags)
{
	struct sk_buff *clone = calloc(1, sizeof(*clone));

	*clone = *skb;
	clone->destructor = NULL;
	refcount_set(&clone->users, 1);
	atomic_inc(&skb_shinfo(skb)->dataref);
	skbs++;
	return clone;
}

void skb_queue_purge_reason(struct sk_buff_head *list, enum skb_drop_reason reason)
{
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(list)))
		consume_skb(skb);
}

int skb_copy_bits(const struct sk_buff *skb, int offset, void *to, int len)
{
	if (offset < 0 || len < 0 || (unsigned int)offset + len > skb->len)
		return -EFAULT;
	memcpy(to, skb->data + offset, len);
	return 0;
}

/* --- messages --- */

static char said[256];

/* Keep the last message, without its log level, to explain a fault. */
int _printk(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(said, sizeof(said), printk_skip_level(fmt), args);
	va_end(args);
	return 0;
}

void ibdev_warn(const struct ib_device *ibdev, const char *fmt, ...)
{
}

int ___ratelimit(struct ratelimit_state *state, const char *func)
{
	return 0;
}

void warn_slowpath_fmt(const char *file, int line, unsigned int taint, const char *fmt, ...)
{
	fuzz_fault("WARN at %s:%d", file, line);
}

void panic(const char *fmt, ...)
{
	fuzz_fault("panic: %s%s", fmt, said);
}

void never(const char *name) __noreturn;
void never(const char *name)
{
	fuzz_fault("%s() was called", name);
}

void refcount_warn_saturate(refcount_t *ref, enum refcount_saturation_type type)
{
	fuzz_fault("a reference count went wrong (%d)", type);
}

/* --- small functions --- */

unsigned long __sw_hweight64(u64 word)
{
	return __builtin_popcountll(word);
}

/* The core's table of the attributes of each transition is not under test. */
bool ib_modify_qp_is_ok(enum ib_qp_state cur, enum ib_qp_state next, enum ib_qp_type type,
			enum ib_qp_attr_mask mask)
{
	return true;
}

void get_random_bytes(void *buffer, size_t len)
{
	memset(buffer, 0x42, len);
}

/* DO_ONCE(): there is one thread, and no code that is patched afterwards. */
bool __do_once_start(bool *done, unsigned long *flags)
{
	return !*done;
}

void __do_once_done(bool *done, struct static_key_true *once_key, unsigned long *flags,
		    struct module *mod)
{
	*done = true;
}
