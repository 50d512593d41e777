// The least that a Boost.Beast server can do to bring previews to all who read: what mind-server is compared
// with.
#ifndef MIND_TESTS_BENCH_SERVER_BARE_HTTP_H_
#define MIND_TESTS_BENCH_SERVER_BARE_HTTP_H_

namespace mind::bench {

// Answers every GET with an endless stream of events, on a free port that it prints. A POST sends its body to
// all of them, as one chunk. Ends with the process.
[[noreturn]] void RunBareHttp();

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_SERVER_BARE_HTTP_H_
