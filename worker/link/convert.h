// Between the wire's messages and the engine's types: the one place that knows both.
#ifndef MIND_WORKER_LINK_CONVERT_H_
#define MIND_WORKER_LINK_CONVERT_H_

#include <exception>
#include <string>

#include "google/rpc/status.pb.h"
#include "mind/v1/worker.pb.h"
#include "worker/diffusion/engine/trajectory_request.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/model_info.h"
#include "worker/image/watermark.h"

namespace mind {

v1::Model ToProto(const diffusion::ModelInfo& info);
v1::Stage ToProto(diffusion::SideWork work);

// Picture `image` of an assignment.
diffusion::TrajectoryRequest ToRequest(const v1::Assign& assign, const v1::AssignedImage& image);

// What the engine threw, as the status the job fails with. A damaged checkpoint becomes DATA_LOSS, upon which
// the server starts the picture again; running out of memory RESOURCE_EXHAUSTED; a bad request
// INVALID_ARGUMENT; all else INTERNAL. What was thrown may quote a file or a request: texts are made
// printable and cut (MakeError).
google::rpc::Status ErrorStatus(std::exception_ptr error);

// uint8 [H, W, 3] of a PNG, JPEG or WebP file. Throws diffusion::RequestError.
at::Tensor DecodeSource(const std::string& file);

struct EncodedPicture {
  std::string media_type;
  std::string data;
};
// `picture` is uint8 [H, W, 3], the job's picture `index`. The file says that a model has made it, whatever
// else is left out. Throws std::runtime_error. `watermark`, if given, is put into it, and the file says so;
// where it does not hold, in pictures that are too small or nearly all black or white, it is left out, and
// the log says so.
EncodedPicture EncodePicture(const at::Tensor& picture, const v1::ImageSpec& spec, uint32_t index,
                             const image::Watermark* watermark = nullptr);
EncodedPicture EncodePreview(const at::Tensor& picture);

// The failure of a picture whose file has more bytes than the link allows for.
diffusion::RequestError PictureTooLarge(const EncodedPicture& picture, size_t allowed);

}  // namespace mind

#endif  // MIND_WORKER_LINK_CONVERT_H_
