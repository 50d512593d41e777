// OpenBLAS picks its kernels by a list of processors it knows. One it does not know (Debian 12's 0.3.21 knows
// no Sapphire Rapids, for one) gets kernels from 2004, five to seven times slower than what it could run.
#ifndef MIND_WORKER_DIFFUSION_BLAS_H_
#define MIND_WORKER_DIFFUSION_BLAS_H_

#include <string>

namespace mind {

// Where OpenBLAS has fallen back to such kernels, starts the program again with OPENBLAS_CORETYPE naming the
// best the processor has the instructions for. Returns where nothing need be done. Call first thing in main,
// with its argv.
void ChooseBlasKernels(char** argv);

// What OpenBLAS calls the kernels in use; "none" where another BLAS is linked.
std::string BlasName();

}  // namespace mind

#endif  // MIND_WORKER_DIFFUSION_BLAS_H_
