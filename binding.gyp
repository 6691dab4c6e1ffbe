{
  "targets": [
    {
      "target_name": "kernels",
      "sources": ["<!@(node src/kernels/sources.cjs <(target_arch))"],
      "include_dirs": [
        "<!(node -p \"require('node-addon-api').include_dir\")",
        "src/kernels"
      ],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_DEPRECATED", "NAPI_CPP_EXCEPTIONS", "NODE_ADDON_API_CPP_EXCEPTIONS_ALL"],
      "cflags!": ["-fno-exceptions", "-O2"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20", "-O2"],
      "cflags": ["-fvisibility=hidden", "-O3", "-Wall", "-Wextra", "-Wno-psabi", "-ffp-contract=off"],
      "cflags_cc": ["-std=c++20", "-fexceptions"],
      "ldflags": ["-pthread", "-Wl,-z,nodelete"],
      "xcode_settings": {
        "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
        "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
        "GCC_OPTIMIZATION_LEVEL": "3",
        "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
        "MACOSX_DEPLOYMENT_TARGET": "12.0"
      }
    }
  ]
}
