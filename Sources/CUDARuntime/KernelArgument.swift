/// A type that a kernel argument may have: scalars of the size that the kernel declares, and `UInt64` for
/// device addresses (0 for none). `Int` is not one of them, so that a 32-bit parameter never gets 64 bits.
@usableFromInline
package protocol KernelArgument: BitwiseCopyable {}

extension Int32: KernelArgument {}
extension UInt32: KernelArgument {}
extension Int64: KernelArgument {}
extension UInt64: KernelArgument {}
extension Float: KernelArgument {}
extension Double: KernelArgument {}
