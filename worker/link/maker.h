// The engine as the link sees it.
#ifndef MIND_WORKER_LINK_MAKER_H_
#define MIND_WORKER_LINK_MAKER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "mind/v1/model.pb.h"
#include "mind/v1/worker.pb.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/engine/model_cache.h"
#include "worker/link/metrics.h"

namespace mind {

// Makes pictures. Any thread may call; the meanings are diffusion::Engine's.
class Maker {
 public:
  virtual ~Maker() = default;

  virtual std::vector<v1::Model> Models() const = 0;
  // All but max_images.
  virtual v1::Capacity Capacity() const = 0;
  // Throws ModelError where another file is what the request means by its autoencoder's name.
  virtual uint64_t Submit(diffusion::TrajectoryRequest request,
                          std::shared_ptr<diffusion::TrajectoryEvents> events) = 0;
  virtual void Cancel(uint64_t id) = 0;
  virtual void HandBack(uint64_t id) = 0;
};

// All must outlive it; the engine's meter is `metrics`.
class EngineMaker : public Maker {
 public:
  EngineMaker(diffusion::Engine& engine, const diffusion::ModelCache& models, const WorkerMetrics& metrics)
      : engine_(engine), models_(models), metrics_(metrics) {}

  std::vector<v1::Model> Models() const override;
  v1::Capacity Capacity() const override;
  uint64_t Submit(diffusion::TrajectoryRequest request,
                  std::shared_ptr<diffusion::TrajectoryEvents> events) override;
  void Cancel(uint64_t id) override { engine_.Cancel(id); }
  void HandBack(uint64_t id) override { engine_.HandBack(id); }

 private:
  void ExpectVae(const diffusion::TrajectoryRequest& request) const;

  diffusion::Engine& engine_;
  const diffusion::ModelCache& models_;
  const WorkerMetrics& metrics_;
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_MAKER_H_
