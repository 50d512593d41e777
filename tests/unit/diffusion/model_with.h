// A model whose network does what a test wants.
#ifndef MIND_TESTS_UNIT_DIFFUSION_MODEL_WITH_H_
#define MIND_TESTS_UNIT_DIFFUSION_MODEL_WITH_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "worker/diffusion/engine/model_cache.h"

namespace mind::diffusion {

// One model under any name: all of another's but its network.
class ModelWith : public Pipeline, public ModelSource {
 public:
  // Of several threads, one a row.
  using Network = std::function<at::Tensor(const DenoiserInput&)>;

  ModelWith(std::shared_ptr<const Pipeline> whole, Network network)
      : whole_(std::move(whole)), denoiser_(std::move(network)) {}

  const ModelInfo& info() const override { return whole_->info(); }
  const SamplerConfig& sampler_config() const override { return whole_->sampler_config(); }
  const Denoiser& denoiser() const override { return denoiser_; }
  at::Device device() const override { return whole_->device(); }
  std::vector<int64_t> LatentShape(int64_t width, int64_t height) const override {
    return whole_->LatentShape(width, height);
  }
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override {
    return whole_->Condition(request, shape);
  }
  at::Tensor Decode(const at::Tensor& latent) const override { return whole_->Decode(latent); }
  at::Tensor Encode(const at::Tensor& picture, NoiseSource& noise) const override {
    return whole_->Encode(picture, noise);
  }
  at::Tensor Preview(const at::Tensor& x0) const override { return whole_->Preview(x0); }

  std::shared_ptr<const Pipeline> Get(const std::string& name) override { return GetLoaded(name); }
  std::shared_ptr<const Pipeline> GetLoaded(const std::string&) override { return {whole_, this}; }

 private:
  struct Replaced : Denoiser {
    explicit Replaced(Network network) : run(std::move(network)) {}
    at::Tensor operator()(const DenoiserInput& input) const override { return run(input); }
    const Network run;
  };
  const std::shared_ptr<const Pipeline> whole_;
  const Replaced denoiser_;
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_UNIT_DIFFUSION_MODEL_WITH_H_
