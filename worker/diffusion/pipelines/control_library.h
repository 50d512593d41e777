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

  // How many kinds of pictures the network in this folder of a model's controls/ knows by number; 0: it knows
  // one, which needs none. Throws ModelError.
  static int64_t KindsOf(const std::string& folder);

  // Throws ModelError, also where Check does.
  ControlLibrary(const ModelDirectory& directory, const UNetConfig& unet, int64_t channels, int64_t reduction,
                 FileParameters::Options options);

  // Tells the rows of one picture what its controls are; one that is graded, or adds the same everywhere, is
  // told to the request's own row alone. A network that knows several kinds of pictures sees all of its at
  // once. Slow: adapters make of a picture all they ever will. Throws RequestError.
  void Tell(const std::vector<ControlPicture>& pictures, Conditioning& conditioning) const;

 private:
  // One of the two.
  struct Network {
    std::unique_ptr<const ControlNet> control_net;
    std::unique_ptr<const T2iAdapter> adapter;
  };

  // Of one picture; or of all that a network of several kinds is shown.
  Control ControlOf(const Network& network, const std::vector<ControlPicture>& pictures) const;
  Control AdapterControl(const T2iAdapter& adapter, const ControlPicture& picture) const;

  const FileParameters::Options options_;
  std::map<std::string, Network> networks_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_CONTROL_LIBRARY_H_
