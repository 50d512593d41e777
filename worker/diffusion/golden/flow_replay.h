// One recorded run of a pipeline of rectified flow, replayed picture by picture: what those of several
// families have in common.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_FLOW_REPLAY_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_FLOW_REPLAY_H_

#include <ATen/ATen.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/report.h"
#include "worker/diffusion/pipelines/pipeline.h"

namespace mind::diffusion {

// The first evaluation for one of the pictures.
struct FirstCall {
  int64_t row = 0;  // of the record's tensors
  const PictureRequest& request;
  const Conditioning& conditioning;
  at::Tensor x;                     // [C, h, w]
  double timestep = 0;              // in training steps
  std::vector<at::Tensor> answers;  // of each of the conditioning's rows, [C, h, w]
};

struct FlowRun {
  const nlohmann::json& item;  // what was asked for
  const Record& record;
  const Pipeline& pipeline;
  // What a family's requests say otherwise than its reference's calls; nothing where this is null.
  std::function<void(PictureRequest&)> request = nullptr;
  // The request's pictures, of the row; none where this is null.
  std::function<Source(int64_t row)> source = nullptr;
  // Compares what a family's records have of the first evaluation.
  std::function<void(const FirstCall&)> first_call = nullptr;
};

// Compares noise levels, which are those of the case's scheduler where it names one, x before the first step
// and after each, guided answers and the picture.
void CheckFlowRun(const FlowRun& run, Report::Case& result);

// Latents [C, h, w] as a record has them: the same, or where it has tokens, those of one latent or of 2×2,
// channel by channel.
at::Tensor AsRecorded(const at::Tensor& latents, const at::Tensor& recorded);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_FLOW_REPLAY_H_
