#pragma once

#include <cstddef>
#include <cstdint>

/// Numbers of the zip format (APPNOTE 6.3) that reader and writer share.
namespace tinyml::zip {

inline constexpr uint32_t kLocalHeader = 0x04034b50;
inline constexpr uint32_t kCentralHeader = 0x02014b50;
inline constexpr uint32_t kEnd = 0x06054b50;
inline constexpr uint32_t kEnd64 = 0x06064b50;
inline constexpr uint32_t kEnd64Locator = 0x07064b50;

inline constexpr size_t kLocalHeaderSize = 30;
inline constexpr size_t kCentralHeaderSize = 46;
inline constexpr size_t kEndSize = 22;
inline constexpr size_t kEnd64Size = 56;
inline constexpr size_t kEnd64LocatorSize = 20;

inline constexpr uint16_t kExtra64 = 0x0001;
inline constexpr uint16_t kExtraPadding = 0x4246;  ///< What torch pads with.
inline constexpr uint16_t kFlagEncrypted = 1u << 0;
inline constexpr uint16_t kFlagDataDescriptor = 1u << 3;
inline constexpr uint16_t kFlagUtf8 = 1u << 11;
inline constexpr uint32_t kSaturated32 = 0xFFFFFFFFu;  ///< "See the zip64 record."
inline constexpr uint16_t kSaturated16 = 0xFFFFu;

}  // namespace tinyml::zip
