// The least that a gRPC server can do to bring a worker's previews to all who watch: what mind-server is
// compared with.
#ifndef MIND_TESTS_BENCH_SERVER_BARE_SERVER_H_
#define MIND_TESTS_BENCH_SERVER_BARE_SERVER_H_

#include <string>

namespace mind::bench {

// The job that it has, and no other.
inline constexpr char kBareJob[] = "job-bare";

// Serves a worker and watchers of its job, on a free port that it prints. Ends with the process.
[[noreturn]] void RunBareServer();

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_SERVER_BARE_SERVER_H_
