# find_package(Torch) for the LibTorch in the folder MIND_LIBTORCH: include/ and lib/, as upstream's archives have them and
# deploy/libtorch.sh makes of the Python wheel. In the place of upstream's own package, which
#   - wants a CUDA toolkit to be installed where LibTorch has CUDA, though none is needed to build against it;
#   - gives out all headers that LibTorch was built with, protobuf's, fmt's and oneDNN's among them, before the system's.
# Sets TORCH_LIBRARIES, TORCH_INCLUDE_DIRS, TORCH_CXX_FLAGS (none) and Torch_VERSION, as that does. Where lib/ has
# libtorch_cuda.so, programs are linked with CUDA, and Torch_CUDA is TRUE.
set(library ${MIND_LIBTORCH}/lib)
foreach(needed include/ATen/ATen.h lib/libtorch_cpu.so lib/libc10.so)
  if(NOT EXISTS ${MIND_LIBTORCH}/${needed})
    message(FATAL_ERROR "MIND_LIBTORCH=${MIND_LIBTORCH}: no ${needed} in it; it must be an unpacked LibTorch")
  endif()
endforeach()

# Where the version is has changed with it.
set(Torch_VERSION)
foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
  if(Torch_VERSION OR NOT EXISTS ${MIND_LIBTORCH}/include/${header})
    continue()
  endif()
  file(READ ${MIND_LIBTORCH}/include/${header} text)
  if(text MATCHES "TORCH_VERSION_MAJOR ([0-9]+).*TORCH_VERSION_MINOR ([0-9]+).*TORCH_VERSION_PATCH ([0-9]+)")
    set(Torch_VERSION ${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3})
  endif()
endforeach()
if(NOT Torch_VERSION VERSION_GREATER_EQUAL 2.2)
  message(FATAL_ERROR "MIND_LIBTORCH=${MIND_LIBTORCH}: its version is \"${Torch_VERSION}\"; 2.2 or newer is needed")
endif()

# Links to the headers that are LibTorch's own.
set(headers ${CMAKE_BINARY_DIR}/libtorch-include)
file(REMOVE_RECURSE ${headers})
file(MAKE_DIRECTORY ${headers})
foreach(folder ATen c10 torch caffe2)
  if(EXISTS ${MIND_LIBTORCH}/include/${folder})
    file(CREATE_LINK ${MIND_LIBTORCH}/include/${folder} ${headers}/${folder} SYMBOLIC)
  endif()
endforeach()
set(TORCH_INCLUDE_DIRS ${headers} ${headers}/torch/csrc/api/include)
set(TORCH_CXX_FLAGS "")

set(Torch_CUDA FALSE)
set(TORCH_LIBRARIES)
foreach(name torch_cpu c10)
  add_library(Torch::${name} SHARED IMPORTED GLOBAL)
  set_target_properties(Torch::${name} PROPERTIES IMPORTED_LOCATION ${library}/lib${name}.so)
  list(APPEND TORCH_LIBRARIES Torch::${name})
endforeach()
if(EXISTS ${library}/libtorch_cuda.so)
  set(Torch_CUDA TRUE)
  # By their being loaded these make CUDA known; no program refers to them.
  list(APPEND TORCH_LIBRARIES
    -Wl,--push-state,--no-as-needed,${library}/libtorch_cuda.so,${library}/libc10_cuda.so,--pop-state)
endif()
# What they need of NVIDIA's they find themselves, when they are loaded.
list(APPEND TORCH_LIBRARIES -Wl,--allow-shlib-undefined)
message(STATUS "LibTorch ${Torch_VERSION} in ${MIND_LIBTORCH}")
set(Torch_FOUND TRUE)
