# Kernels of ours for CUDA, by a compiler that comes with LibTorch (deploy/libtorch.sh cuda) or is installed. As commands of their own
# rather than a language of CMake's: that wants to link a program with a whole toolkit before it believes in a compiler,
# and hands NVIDIA's what is meant for the other.
#   mind_add_cuda_kernels(TARGET CALLER SOURCE...)   compiles them into the target, of which the source CALLER, which queues them,
#                                                    has MIND_CUDA_KERNELS defined and CUDA's headers
option(MIND_CUDA_KERNELS "Build our own kernels for CUDA, which needs NVIDIA's compiler; without them LibTorch's are used" ON)
set(MIND_CUDA_ARCHITECTURES "75;80;90;100;120" CACHE STRING "Of GPUs, by compute capability: kernels are compiled for each, and for what comes after the last")

function(mind_add_cuda_kernels target caller)
  find_program(MIND_NVCC nvcc HINTS ${MIND_LIBTORCH}/../toolkit/bin /usr/local/cuda/bin)
  if(NOT MIND_NVCC)
    message(FATAL_ERROR "there is no nvcc for our kernels: give it by -DMIND_NVCC=, or do without them by -DMIND_CUDA_KERNELS=OFF")
  endif()
  get_filename_component(toolkit ${MIND_NVCC}/../.. REALPATH)
  file(GLOB runtimes ${MIND_LIBTORCH}/../nvidia/*/lib/libcudart.so.* ${MIND_LIBTORCH}/lib/libcudart*.so.* ${toolkit}/lib64/libcudart.so)
  if(NOT runtimes)
    message(FATAL_ERROR "there is no libcudart.so beside ${MIND_LIBTORCH} nor in ${toolkit}, which our kernels are linked with")
  endif()
  list(GET runtimes 0 runtime)
  set(code)
  foreach(architecture IN LISTS MIND_CUDA_ARCHITECTURES)
    list(APPEND code -gencode arch=compute_${architecture},code=sm_${architecture})
    set(newest ${architecture})
  endforeach()
  list(APPEND code -gencode arch=compute_${newest},code=compute_${newest})
  foreach(source IN LISTS ARGN)
    get_filename_component(name ${source} NAME)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.o)
    add_custom_command(OUTPUT ${object}
      COMMAND ${MIND_NVCC} -ccbin ${CMAKE_CXX_COMPILER} -std=c++20 -O3 --threads 0 ${code} --expt-relaxed-constexpr -Xcompiler -fPIC,-Wall
        -I${CMAKE_CURRENT_SOURCE_DIR}/../.. -MD -MF ${object}.d -c ${source} -o ${object}
      DEPENDS ${source} DEPFILE ${object}.d COMMENT "Building CUDA object ${name}.o" VERBATIM)
    target_sources(${target} PRIVATE ${object})
    set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  endforeach()
  set_source_files_properties(${caller} PROPERTIES COMPILE_DEFINITIONS MIND_CUDA_KERNELS COMPILE_OPTIONS "-isystem;${toolkit}/include")
  target_link_libraries(${target} PUBLIC ${runtime})
endfunction()
