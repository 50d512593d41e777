// What simulated workers and callers say to the dispatcher.
#ifndef MIND_TESTS_BENCH_CLUSTER_MESSAGES_H_
#define MIND_TESTS_BENCH_CLUSTER_MESSAGES_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "mind/v1/worker.pb.h"
#include "tests/bench/cluster/arrivals.h"
#include "tests/bench/cluster/gpu.h"
#include "tests/bench/cluster/pool.h"

namespace mind::simulation {

// As accepted.
v1::Job JobOf(const Arrival& arrival, const Pool& pool, const std::string& id, absl::Time now);
// Rows of the denoiser that it takes: with guidance, two a step.
double RowsOf(const v1::Job& job);

v1::Register Registration(const std::string& worker, const Pool& pool);
v1::ConnectRequest Capacity(const Gpu& gpu, const std::string& model);
v1::ConnectRequest Started(const Gpu::Picture& picture);
v1::ConnectRequest Progress(const std::vector<Gpu::Picture>& pictures);
v1::ConnectRequest Result(const Gpu::Picture& picture);
v1::ConnectRequest Draining();
v1::ConnectRequest HandedBack(const Gpu::Picture& picture);

// What a worker makes of an assignment. Its checkpoints are those of HandedBack.
std::vector<Gpu::Picture> PicturesOf(const v1::Assign& assign, const Pool& pool);

}  // namespace mind::simulation

#endif  // MIND_TESTS_BENCH_CLUSTER_MESSAGES_H_
