// The networks beside a loaded model that steer it by pictures: ControlNets and T2I-Adapters.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_CONTROL_LIBRARY_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_CONTROL_LIBRARY_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/models/control_net.h"
#include "worker/diffusion/models/t2i_adapter.h"
#include "worker/diffusion/pipelines/guidance.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/start.h"

namespace mind::diffusion {

// Those in a model's controls/, each in a folder of its own, by the folders' names. Loaded with the model and
// as long in memory as it is. Immutable after construction; any thread may call, under inference mode.
class ControlLibrary {
 public:
  // Throws ModelError where one does not fit the model: its UNet, and latents of `channels` channels that are
  // `reduction` times smaller than pictures. Quick: reads their configurations alone.
  static void Check(const ModelDirectory& directory, const UNetConfig& unet, int64_t channels,
                    int64_t reduction);

  // Throws ModelError, also where Check does.
  ControlLibrary(const ModelDirectory& directory, const UNetConfig& unet, int64_t channels, int64_t reduction,
                 FileParameters::Options options);

  // Tells the rows of one picture what its controls are; one that is graded, or adds the same everywhere, is
  // told to the request's own row alone. Slow: adapters make of a picture all they ever will. Throws
  // RequestError.
  void Tell(const std::vector<ControlPicture>& pictures, Conditioning& conditioning) const;

 private:
  // One of the two.
  struct Network {
    std::unique_ptr<const ControlNet> control_net;
    std::unique_ptr<const T2iAdapter> adapter;
  };

  Control ControlOf(const Network& network, const ControlPicture& picture) const;

  const FileParameters::Options options_;
  std::map<std::string, Network> networks_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_CONTROL_LIBRARY_H_
