// What few of very many have: the others hold a pointer in its place.
#ifndef MIND_SERVER_QUEUE_RARELY_H_
#define MIND_SERVER_QUEUE_RARELY_H_

#include <memory>

namespace mind::server {

// A T, as it is made, until it is written to.
template <typename T>
class Rarely {
 public:
  const T& operator*() const {
    static const T* const as_made = new T;
    return value_ == nullptr ? *as_made : *value_;
  }
  const T* operator->() const { return &**this; }
  T& Mutable() {
    if (value_ == nullptr) value_ = std::make_unique<T>();
    return *value_;
  }
  // As it is made again.
  void Reset() { value_.reset(); }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_QUEUE_RARELY_H_
