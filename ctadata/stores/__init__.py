"""The places that hold files, behind one contract: `ctadata.stores.base.Store`."""
