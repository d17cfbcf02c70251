/* Requests at a steady rate, whatever becomes of those before: what a crowd does to a server.

   open_load PORT RATE SECONDS < BODIES      a body a line; request n has body n modulo their number

   In C, so that the client takes little of the CPUs that it shares with the server: one in Python
   takes so much that it is late itself. Nothing is looked into here. Of each request, when its answer
   is whole, stdout has a line "number seconds bytes" and then the answer's bytes; none where the
   connection was closed before. Seconds count from the time that the request was due. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 900, LARGEST = 16384, MOST_BODIES = 256, GRACE = 60 };

struct connection {
    int socket, used;
    long number; /* of the request that waits; -1: free */
    char answer[LARGEST + 1];
};

static struct connection connections[CONNECTIONS];
static struct connection *idle[CONNECTIONS];
static char *bodies[MOST_BODIES];
static int events, port, open_count, idle_count, body_count;
static double began, rate;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + 1e-9 * time.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void read_bodies(void) {
    size_t room = 0;
    ssize_t length;
    while (body_count < MOST_BODIES && (length = getline(&bodies[body_count], &room, stdin)) > 0) {
        bodies[body_count++][length - 1] = 0; /* the line's end */
        room = 0;
    }
    if (!body_count) fail("no bodies");
}

static struct connection *open_one(void) {
    struct connection *one = &connections[open_count++];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    one->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(one->socket, (void *)&address, sizeof address)) fail("connect");
    setsockopt(one->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (epoll_ctl(events, EPOLL_CTL_ADD, one->socket, &event)) fail("epoll");
    return one;
}

static void ask(long number) {
    static char request[LARGEST];
    struct connection *one = idle_count ? idle[--idle_count] : open_one();
    const char *body = bodies[number % body_count];
    int length = snprintf(request, sizeof request,
                          "POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nx-request-id: load-%ld\r\n"
                          "content-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                          number, strlen(body), body);
    one->number = number;
    one->used = 0;
    if (length >= LARGEST || write(one->socket, request, length) != length) fail("write");
}

static int is_whole(const struct connection *one) {
    const char *end = strstr(one->answer, "\r\n\r\n");
    const char *length = strcasestr(one->answer, "\r\ncontent-length: ");
    return end && length && one->used >= end + 4 - one->answer + atol(length + 18);
}

/* Whether a request has been settled by what came. */
static int hear(struct connection *one) {
    ssize_t got = read(one->socket, one->answer + one->used, LARGEST - one->used);
    if (got > 0) {
        one->used += got;
        one->answer[one->used] = 0;
        if (!is_whole(one)) return 0;
    } else {
        one->used = 0;
        close(one->socket);
    }
    if (one->number < 0) return 0;
    printf("%ld %.6f %d\n", one->number, now() - (began + one->number / rate), one->used);
    fwrite(one->answer, 1, one->used, stdout);
    one->number = -1;
    if (got > 0) idle[idle_count++] = one;
    return 1;
}

static int may_ask(void) { return idle_count || open_count < CONNECTIONS; }

int main(int count, char **given) {
    struct epoll_event found[256];
    long asked = 0, settled = 0, all;
    if (count != 4) return 2;
    port = atoi(given[1]);
    rate = atof(given[2]);
    all = rate * atof(given[3]);
    events = epoll_create1(0);
    setpriority(PRIO_PROCESS, 0, -10); /* what is late shall be the server; without rights, so be it */
    setvbuf(stdout, NULL, _IOFBF, 1 << 20);
    read_bodies();
    began = now();
    while (settled < all && now() < began + all / rate + GRACE) {
        struct timespec wait = {0, 50000000};
        while (asked < all && may_ask() && now() >= began + asked / rate) ask(asked++);
        if (asked < all && may_ask()) {
            double left = began + asked / rate - now();
            wait.tv_nsec = left > 0.05 ? 50000000 : left > 0 ? left * 1e9 : 0;
        }
        int ready = epoll_pwait2(events, found, 256, &wait, NULL);
        for (int i = 0; i < ready; i++) settled += hear(found[i].data.ptr);
    }
    return settled < all;
}
