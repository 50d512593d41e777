// In what types numbers are kept and multiplied: the one place that says so.
//
//                                          fp32      tf32         bf16      fp16
// weights in memory (once), and what       float32   float32      bfloat16  float16
//   layers make of their inputs
// products of float32, on CUDA             float32   10 bits      10 bits   10 bits
// an autoencoder of force_upcast           float32   float32      float32   float32
//
// Whatever the precision, float32 holds: x and all arithmetic of samplers and of guidance, noise, what a
// denoiser is told and answers, encoded prompts, an autoencoder's pictures and moments; the statistics of
// norms; attention's logits and softmax; sinusoids of timesteps and sizes and the frequencies of Fourier
// features; GLIDE's generator, whose norms have stored statistics; scorers, whose gradients are taken. A
// layer takes what it is given in the type of its weights (layers.h), which is where numbers leave float32;
// networks answer in float32.
//
// Sources: Micikevicius et al. 2018, "Mixed Precision Training" (what must stay in float32); NVIDIA's
// "TensorFloat-32" (10 bits of fraction, of products only); diffusers AutoencoderKL's force_upcast.
#ifndef MIND_WORKER_DIFFUSION_DEVICE_PRECISION_H_
#define MIND_WORKER_DIFFUSION_DEVICE_PRECISION_H_

#include <ATen/ATen.h>

#include <optional>
#include <string>
#include <string_view>

namespace mind::diffusion {

enum class Precision { kFloat32, kTf32, kBFloat16, kFloat16 };

// All of them, as PrecisionNamed takes them: "fp32, tf32, bf16, fp16".
extern const char kPrecisionNames[];

// "fp32" …
const char* NameOf(Precision precision);
// Nothing for any other name.
std::optional<Precision> PrecisionNamed(std::string_view name);

// Of weights, and of what layers make.
at::ScalarType TypeOf(Precision precision);
// What an autoencoder is computed in, in a model of this precision. `force_upcast`: what its file says.
Precision AutoencoderPrecision(Precision precision, bool force_upcast);

// What a device is best used with: bf16 on a GPU whose tensor cores have it, else fp32.
Precision DefaultPrecision(at::Device device);
// Why a device cannot be used with this precision; empty: it can.
std::string WhyNot(Precision precision, at::Device device);

// From now on, in the whole process, products of float32 are as the table says: in fp32 a CUDA device no
// longer rounds what it multiplies to TF32's ten bits, which LibTorch lets convolutions do unless told
// otherwise. Sums of products are never kept in a type of fewer bits.
void ComputeIn(Precision precision);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_DEVICE_PRECISION_H_
