// What becomes of one request that an engine has to itself, and what of several must be the same.
#ifndef MIND_TESTS_UNIT_DIFFUSION_MADE_ALONE_H_
#define MIND_TESTS_UNIT_DIFFUSION_MADE_ALONE_H_

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"

namespace mind::diffusion {

// By an engine of its own, which has nothing left to do: all that there is to tell has been told.
inline std::shared_ptr<Recorder> MadeAlone(ModelSource& models, const Engine::Options& options,
                                           const TrajectoryRequest& request) {
  Engine engine(models, options);
  auto events = std::make_shared<Recorder>();
  engine.Submit(request, events);
  events->Wait();
  engine.WaitUntilIdle();
  return events;
}

// The same of a request that must not fail.
inline at::Tensor PictureMadeAlone(ModelSource& models, const Engine::Options& options,
                                   const TrajectoryRequest& request) {
  const auto events = MadeAlone(models, options, request);
  EXPECT_EQ(events->Error(), "");
  return events->picture;
}

// The same bytes from wherever it was left, in whatever stage.
inline void ExpectGoesOnFromEachCheckpoint(ModelSource& models, const Engine::Options& options,
                                           TrajectoryRequest request) {
  const auto whole = MadeAlone(models, options, request);
  ASSERT_EQ(whole->Error(), "") << request.model;
  ASSERT_FALSE(whole->checkpoints.empty()) << request.model;
  for (const auto& [step, bytes] : whole->checkpoints) {
    request.checkpoint = bytes;
    EXPECT_TRUE(at::equal(PictureMadeAlone(models, options, request), whole->picture))
        << request.model << " from step " << step;
  }
}

// The same bytes alone and beside all the others.
inline void ExpectNeighboursDoNotMatter(ModelSource& models, const Engine::Options& options,
                                        const std::vector<TrajectoryRequest>& requests) {
  std::vector<at::Tensor> alone;
  for (const TrajectoryRequest& request : requests)
    alone.push_back(PictureMadeAlone(models, options, request));
  Engine engine(models, options);
  std::vector<std::shared_ptr<Recorder>> together;
  for (const TrajectoryRequest& request : requests) {
    together.push_back(std::make_shared<Recorder>());
    engine.Submit(request, together.back());
  }
  engine.WaitUntilIdle();
  for (size_t i = 0; i < requests.size(); ++i) {
    ASSERT_EQ(together[i]->Error(), "") << requests[i].model << " " << i;
    EXPECT_TRUE(at::equal(together[i]->picture, alone[i])) << requests[i].model << " " << i;
  }
}

}  // namespace mind::diffusion

#endif  // MIND_TESTS_UNIT_DIFFUSION_MADE_ALONE_H_
