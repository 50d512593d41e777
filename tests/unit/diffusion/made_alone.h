// What becomes of one request that an engine has to itself.
#ifndef MIND_TESTS_UNIT_DIFFUSION_MADE_ALONE_H_
#define MIND_TESTS_UNIT_DIFFUSION_MADE_ALONE_H_

#include <gtest/gtest.h>

#include <memory>

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

}  // namespace mind::diffusion

#endif  // MIND_TESTS_UNIT_DIFFUSION_MADE_ALONE_H_
