/// What a kernel may be given: scalars of the size that the kernel declares, and device addresses (or 0 for
/// none) as `UInt64`. `Int` is none of them, so that a 32-bit parameter never gets 64 bits.
@usableFromInline
package protocol KernelArgument: BitwiseCopyable {}

extension Int32: KernelArgument {}
extension UInt32: KernelArgument {}
extension Int64: KernelArgument {}
extension UInt64: KernelArgument {}
extension Float: KernelArgument {}
extension Double: KernelArgument {}
