// bench-lora [ROUNDS]
//
// What a LoRA costs: the UNet of Stable Diffusion 1.5 at full size with random weights, one row at 512x512,
// alone and with LoRAs of rank 16 on all attention projections, in turns. Prints seconds and ratios.
#include <ATen/Parallel.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "tests/support/full_size.h"
#include "worker/diffusion/models/adapter.h"

namespace {

using namespace mind::diffusion;

// Remembers the projections of the attention layers.
class ProjectionsKept : public FreshParameters {
 public:
  ProjectionsKept() : FreshParameters(Values::kRandom) {}

  at::Tensor TakeLayerWeight(const std::string& layer, at::IntArrayRef shape) override {
    const at::Tensor weight = FreshParameters::TakeLayerWeight(layer, shape);
    if (layer.find(".attn") != std::string::npos) projections.push_back(weight);
    return weight;
  }

  std::vector<at::Tensor> projections;
};

std::shared_ptr<const Adapter> RandomAdapter(const std::vector<at::Tensor>& weights, int64_t rank) {
  auto adapter = std::make_shared<Adapter>();
  for (const at::Tensor& weight : weights) {
    adapter->Set(weight,
                 {at::randn({rank, weight.size(1)}) * 0.01, at::randn({weight.size(0), rank}) * 0.01});
  }
  return adapter;
}

double SecondsOf(const Denoiser& denoiser, const DenoiserInput& input, const AdapterSet& adapters) {
  const AdapterScope scope({adapters});
  const auto begin = std::chrono::steady_clock::now();
  denoiser(input);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
  const c10::InferenceMode inference;
  at::set_num_threads(1);
  const FullSize model = FullSizeModels().front();
  ProjectionsKept parameters;
  const std::unique_ptr<Denoiser> unet = model.make(parameters);
  const ScaledAdapter adapter{RandomAdapter(parameters.projections, 16), 0.7};
  const DenoiserInput input{.sample = at::randn({1, 4, 64, 64}),
                            .timestep = at::full({1}, 500.0),
                            .told = {{Condition::kText, at::randn({1, 77, 768})}}};
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 3;
  const AdapterSet sets[] = {{}, {adapter}, {adapter, adapter, adapter, adapter}};
  std::printf("%zu projections, rank 16, one thread\n%10s %10s %10s %10s %10s\n",
              parameters.projections.size(), "none", "one", "ratio", "four", "ratio");
  SecondsOf(*unet, input, {});  // the first touches the memory
  for (int round = 0; round < rounds; ++round) {
    double seconds[3];
    for (int i = 0; i < 3; ++i) seconds[i] = SecondsOf(*unet, input, sets[i]);
    std::printf("%10.2f %10.2f %10.3f %10.2f %10.3f\n", seconds[0], seconds[1], seconds[1] / seconds[0],
                seconds[2], seconds[2] / seconds[0]);
    std::fflush(stdout);
  }
}
