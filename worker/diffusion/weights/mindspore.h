// MindSpore checkpoints (.ckpt): a concatenation of protobuf messages, one tensor or a piece of one each.
//
// Schema: mindspore/ccsrc/utils/checkpoint.proto. Read without generated code, since the engine must not
// depend on a protobuf runtime. Every rule is checked before data is used: wire types, lengths inside the
// file, required fields, known types, sizes that match the dimensions, pieces of one tensor in a row and of
// the same shape and type, the checksum where there is one. A file that breaks one is refused with a
// ModelError naming file, tensor and rule.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_MINDSPORE_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_MINDSPORE_H_

#include <string>
#include <string_view>

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// Unsigned 16, 32 and 64 bit integers come out signed, strings are left out (no network has any). A tensor of
// one element whose dimensions are [0] is a scalar.
NamedTensors ReadMindSpore(const std::string& path);
// The same of bytes in memory, `name` standing for the path in errors. The tensors are copies.
NamedTensors ParseMindSpore(std::string_view bytes, const std::string& name);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_MINDSPORE_H_
